"""Columns of a contract, each with the comment that reaches Delta, Dagster and Snowflake."""

from pyspark.sql.types import DataType, DecimalType, StructField

MONEY = DecimalType(18, 6)


def column(name: str, data_type: DataType, comment: str) -> StructField:
    """Describe one column: name, type and what its values mean."""
    return StructField(name, data_type, metadata={"comment": comment})

"""Delta contracts as Snowflake tables."""

from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
)

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import WarehouseError

_TYPES: dict[type[DataType], str] = {
    BinaryType: "BINARY",
    BooleanType: "BOOLEAN",
    DateType: "DATE",
    DoubleType: "DOUBLE",
    IntegerType: "NUMBER(10, 0)",
    LongType: "NUMBER(18, 0)",
    StringType: "VARCHAR",
    TimestampType: "TIMESTAMP_NTZ(6)",
}


def snowflake_type(data_type: DataType) -> str:
    """Snowflake's type for a Spark type; times are UTC without a zone. Raises WarehouseError for others."""
    if isinstance(data_type, DecimalType):
        return f"NUMBER({data_type.precision}, {data_type.scale})"
    try:
        return _TYPES[type(data_type)]
    except KeyError:
        raise WarehouseError(f"{data_type.simpleString()} has no Snowflake type here: add it to columns.py.") from None


def column_definitions(table: Table) -> str:
    """Column list of CREATE TABLE, in the contract's order."""
    return ", ".join(f"{field.name.upper()} {snowflake_type(field.dataType)}" for field in table.schema.fields)


def column_names(table: Table) -> str:
    """Comma-separated column names in the contract's order."""
    return ", ".join(field.name.upper() for field in table.schema.fields)

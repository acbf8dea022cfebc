"""A contract that has grown, over a table written when it was smaller.

A table takes on the columns its contract has gained: rows that are there hold NULL in them. Whatever else differs is
refused before anything is touched: a narrower or another type, a column that is gone, other partitions. Widening is
refused too, though Delta could do some of it: the files that are there would have to be read by every reader's rules.
"""

import json

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.types import StructField, StructType

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import LakeError
from telemetry_platform.lake.actions import MetaData


def missing_columns(existing: StructType, table: Table) -> list[StructField]:
    """Columns of the contract that a table with the columns `existing` has not, in the contract's order.

    Raises LakeError when the two differ in any other way.
    """
    contract = {field.name: field for field in table.schema.fields}
    for field in existing.fields:
        has, wants = field.dataType.simpleString(), None
        if field.name in contract:
            wants = contract[field.name].dataType.simpleString()
        if wants != has:
            raise LakeError(_refusal(table, field.name, has, wants))
    missing = [field for field in table.schema.fields if field.name not in existing.fieldNames()]
    for field in missing:
        if not field.nullable:
            raise LakeError(
                f"{table.name}.{field.name} is new and NOT NULL in the contract, and the table's rows have no value "
                "for it. Make it nullable."
            )
    return missing


def grow(spark: SparkSession, path: str, existing: MetaData, table: Table) -> None:
    """Add the columns the contract has gained to the table at `path`. Raises LakeError before anything is touched."""
    missing = missing_columns(StructType.fromJson(json.loads(existing.schema_string)), table)
    partitions = tuple(existing.partition_columns)
    if partitions != table.partition_by:
        raise LakeError(
            f"{table.name} is partitioned by {', '.join(partitions) or 'nothing'}, and its contract says "
            f"{', '.join(table.partition_by) or 'nothing'}. Put partition_by back, or give the new layout a new table."
        )
    if missing:
        columns = ", ".join(_definition(field) for field in missing)
        spark.sql(f"ALTER TABLE delta.`{path.replace('`', '``')}` ADD COLUMNS ({columns})")


def in_contract_order(rows: DataFrame, table: Table) -> DataFrame:
    """Select the contract's columns; those that the table has not yet are NULL."""
    there = set(rows.columns)
    return rows.select(
        *(
            sf.col(field.name) if field.name in there else sf.lit(None).cast(field.dataType).alias(field.name)
            for field in table.schema.fields
        )
    )


def _refusal(table: Table, column: str, has: str, wants: str | None) -> str:
    says = f"makes it {wants}" if wants is not None else "no longer has it"
    return (
        f"{table.name}.{column} is {has} in the lake, and the contract {says}. Only new columns can be added to a "
        f"table that exists: put {column} {has} back into its contract (contracts/tables) and give what is new "
        "another name; nothing was changed."
    )


def _definition(field: StructField) -> str:
    comment = field.metadata.get("comment")
    quoted = "" if comment is None else " COMMENT '" + comment.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"`{field.name}` {field.dataType.simpleString()}{quoted}"

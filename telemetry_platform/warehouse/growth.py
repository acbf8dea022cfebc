"""A contract that has grown, over a Snowflake table made when it was smaller: the rules of `lake/growth.py`."""

import re
from typing import Any

from pyspark.sql.types import StructField

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import WarehouseError
from telemetry_platform.warehouse.columns import snowflake_type

# Snowflake's own names for types that are the same, as DESCRIBE TABLE shows them.
_SAME = {"DOUBLE": "FLOAT", "TEXT": "VARCHAR", "DECIMAL": "NUMBER"}


def missing_columns(existing: dict[str, str], table: Table) -> list[StructField]:
    """Columns of the contract that a table has not, given its column types by upper-case name.

    Raises WarehouseError when the two differ in any other way. Lengths of texts and the precision of times are left
    out: the contract has no say in them, and the stand-in does not keep them.
    """
    contract = {field.name.upper(): snowflake_type(field.dataType) for field in table.schema.fields}
    for column, has in existing.items():
        wants = contract.get(column)
        if wants is None or _normal(wants) != _normal(has):
            says = f"makes it {wants}" if wants is not None else "no longer has it"
            raise WarehouseError(
                f"{table.name}: column {column} is {has} in the warehouse, and the contract {says}. Only new columns "
                f"can be added to a table that exists: put {column.lower()} back as it was into "
                "its contract (contracts/tables) and give what is new another name; nothing was changed."
            )
    return [field for field in table.schema.fields if field.name.upper() not in existing]


def grow(cursor: Any, name: str, table: Table) -> None:
    """Add the columns the contract has gained to the table `name`. Raises WarehouseError before anything is touched."""
    existing = {row[0]: row[1] for row in cursor.execute(f"DESCRIBE TABLE {name}").fetchall()}
    for field in missing_columns(existing, table):
        # IF NOT EXISTS: another attempt may be at the same place.
        cursor.execute(
            f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {field.name.upper()} {snowflake_type(field.dataType)}"
            f"{_comment(field)}"
        )


def _normal(data_type: str) -> str:
    kind, _, size = re.sub(r"\s", "", data_type.upper()).partition("(")
    kind = _SAME.get(kind, kind)
    return f"{kind}({size}" if kind == "NUMBER" else kind


def _comment(field: StructField) -> str:
    comment = field.metadata.get("comment")
    return "" if comment is None else " COMMENT '" + comment.replace("\\", "\\\\").replace("'", "''") + "'"

"""`telemetry sql` and `telemetry lake`: SQL over the warehouse and over the Delta tables."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import duckdb
import typer
from rich.table import Table as RichTable

from telemetry_platform.cli.console import console
from telemetry_platform.errors import LakeError, WarehouseError
from telemetry_platform.lake.log import open_table, table_names
from telemetry_platform.settings import Settings, current_settings
from telemetry_platform.warehouse.connection import connect

Rows = list[tuple[Any, ...]]


def sql(
    statement: Annotated[str, typer.Argument(help="One SQL statement.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print rows as a JSON list of objects.")] = False,
) -> None:
    """Run SQL in the warehouse (Snowflake, or the local stand-in).

    Example: telemetry sql "select event_date, dau from gold.daily_kpis order by 1"
    """
    show(*ask_warehouse(current_settings(), statement), as_json=as_json)


def lake(
    statement: Annotated[str, typer.Argument(help="One SQL statement (DuckDB) over stage.table names.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print rows as a JSON list of objects.")] = False,
) -> None:
    """Run SQL over the Delta tables, read directly from the lake.

    Example: telemetry lake "select count(*) from bronze.events"
    """
    show(*ask_lake(current_settings(), statement), as_json=as_json)


def ask_warehouse(settings: Settings, statement: str) -> tuple[list[str], Rows]:
    """Column names and rows of a statement in the warehouse; raises WarehouseError with the server's words."""
    from snowflake.connector.errors import Error

    with connect(settings.warehouse) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(f"USE DATABASE {settings.warehouse.database}")
            cursor.execute(statement)
        except Error as error:
            raise WarehouseError(f"The warehouse refused the statement: {error.msg}") from error
        return [column.name.lower() for column in cursor.description], cursor.fetchall()


def ask_lake(settings: Settings, statement: str) -> tuple[list[str], Rows]:
    """Column names and rows of a DuckDB statement over the lake's tables; raises LakeError."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name in table_names(settings.lake):
            table = open_table(settings.lake, name)
            if table is None:
                continue
            stage, short = name.split(".")
            connection.register(f"{stage}__{short}", table.to_pyarrow_dataset())
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {stage}")
            connection.execute(f"CREATE VIEW {stage}.{short} AS SELECT * FROM {stage}__{short}")
        try:
            result = connection.execute(statement)
        except duckdb.Error as error:
            raise LakeError(f"DuckDB refused the statement: {error}") from error
        return [column[0] for column in result.description or []], result.fetchall()


def show(columns: Sequence[str], rows: Rows, *, as_json: bool) -> None:
    """Print rows as a table, or as JSON objects with numbers and ISO times."""
    if as_json:
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        console.print_json(json.dumps(records, default=_plain))
        return
    table = RichTable(*columns)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)


def _plain(value: Any) -> Any:
    """Decimals as numbers, days and times in ISO 8601, bytes as hexadecimal digits."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return float(value)

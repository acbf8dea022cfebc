"""`telemetry sql` and `telemetry lake`: SQL over the warehouse and over the Delta tables."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import duckdb
import typer

from telemetry_platform.cli.console import console, errors, write
from telemetry_platform.cli.lake_views import create_remaining_views, create_views
from telemetry_platform.cli.rows import Row, json_lines, text_lines
from telemetry_platform.errors import LakeError, WarehouseError
from telemetry_platform.settings import Settings, current_settings
from telemetry_platform.warehouse.connection import connect

TERMINAL_ROWS = 1000
# Rows beyond the limit are counted up to here: who asks for a few should not wait for all of a billion.
COUNTED_ROWS = 1_000_000
_FETCHED_ROWS = 10_000

AsJson = Annotated[bool, typer.Option("--json", help="Print rows as a JSON list of objects.")]
Limit = Annotated[
    int | None,
    typer.Option(min=0, help=f"Show at most so many rows; 0: all. Without it {TERMINAL_ROWS} on a terminal, else all."),
]


@dataclass(frozen=True)
class Result:
    """An open result: `fetch` takes the next so many rows, `total` is their number where the server tells it."""

    columns: list[str]
    fetch: Callable[[int], list[Row]]
    total: int | None = None

    def batches(self, limit: int | None = None) -> Iterator[list[Row]]:
        """Take the rows in batches, at most `limit` of them."""
        left = limit
        while batch := self.fetch(_FETCHED_ROWS if left is None else min(left, _FETCHED_ROWS)) if left != 0 else []:
            left = None if left is None else left - len(batch)
            yield batch

    def rows(self, limit: int | None = None) -> list[Row]:
        """Take the rows, at most `limit` of them."""
        return [row for batch in self.batches(limit) for row in batch]


def sql(
    statement: Annotated[str, typer.Argument(help="One SQL statement.")], limit: Limit = None, as_json: AsJson = False
) -> None:
    """Run SQL in the warehouse (Snowflake, or the local stand-in).

    Rows that are wider than the terminal stand upright, one column a line.

    Example: telemetry sql "select event_date, dau from gold.daily_kpis order by 1"
    """
    with open_warehouse(current_settings(), statement) as result:
        show(result, limit=limit, as_json=as_json)


def lake(
    statement: Annotated[str, typer.Argument(help="One SQL statement (DuckDB) over stage.table names.")],
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Run SQL over the Delta tables, read directly from the lake.

    Rows that are wider than the terminal stand upright, one column a line.

    Example: telemetry lake "select count(*) from bronze.events"
    """
    with open_lake(current_settings(), statement) as result:
        show(result, limit=limit, as_json=as_json)


@contextmanager
def open_warehouse(settings: Settings, statement: str) -> Iterator[Result]:
    """Run a statement in the warehouse; raises WarehouseError with the server's words."""
    from snowflake.connector.errors import Error

    with connect(settings.warehouse) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(f"USE DATABASE {settings.warehouse.database}")
            cursor.execute(statement)
            columns = [column.name.lower() for column in cursor.description or ()]
            yield Result(columns, cursor.fetchmany, cursor.rowcount) if columns else Result([], lambda _: [])
        except Error as error:
            raise WarehouseError(f"The warehouse refused the statement: {error.msg}") from error


@contextmanager
def open_lake(settings: Settings, statement: str) -> Iterator[Result]:
    """Run a DuckDB statement over the lake's tables; raises LakeError."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            answer = _answer(connection, settings.lake, statement)
            columns = [column[0] for column in answer.description or ()] if answer else []
            yield Result(
                columns, lambda count: _interruptible(connection, connection.fetchmany, count) if columns else []
            )
        except duckdb.Error as error:
            raise LakeError(f"DuckDB refused the statement: {error}") from error


def _answer(connection: duckdb.DuckDBPyConnection, lake: str, statement: str) -> Any:
    """Run a statement over views of the tables it names; None for a comment, which is no statement."""
    left_out = create_views(connection, lake, statement)
    try:
        return _interruptible(connection, connection.execute, statement)
    except duckdb.CatalogException:
        if not left_out or len(connection.extract_statements(statement)) != 1:
            raise
    # Nothing has run: DuckDB looks names up first. With all tables there it can say which one may have been meant.
    create_remaining_views(connection, lake, left_out)
    return _interruptible(connection, connection.execute, statement)


def _interruptible(connection: duckdb.DuckDBPyConnection, call: Callable[..., Any], argument: Any) -> Any:
    """Call DuckDB so that Ctrl-C ends it: computing in the main thread, it may never look for a signal."""
    with ThreadPoolExecutor(1) as other_thread:
        answer = other_thread.submit(call, argument)
        try:
            return answer.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def ask_warehouse(settings: Settings, statement: str) -> tuple[list[str], list[Row]]:
    """Column names and rows of a statement in the warehouse; raises WarehouseError with the server's words."""
    with open_warehouse(settings, statement) as result:
        return result.columns, result.rows()


def ask_lake(settings: Settings, statement: str) -> tuple[list[str], list[Row]]:
    """Column names and rows of a DuckDB statement over the lake's tables; raises LakeError."""
    with open_lake(settings, statement) as result:
        return result.columns, result.rows()


def show(result: Result, *, limit: int | None, as_json: bool) -> None:
    """Print rows as a table, or as a JSON list of one object a line; stderr says how many were left out."""
    if limit is None and console.is_terminal and not as_json:
        limit = TERMINAL_ROWS
    shown = _print_json(result, limit or None) if as_json else _print_text(result, limit or None)
    if limit and (left := _left(result, shown)):
        more = f"more than {COUNTED_ROWS:,}" if left > COUNTED_ROWS else f"{left:,}"
        errors.print(f"{shown:,} rows shown, {more} more: --limit 0 shows all.")


def _print_text(result: Result, limit: int | None) -> int:
    if not result.columns:
        errors.print("Done: the statement has no result.")
        return 0
    rows = result.rows(limit)
    show_rows(result.columns, rows)
    return len(rows)


def show_rows(columns: list[str], rows: list[Row]) -> None:
    """Print rows as a table."""
    write("".join(f"{line}\n" for line in text_lines(columns, rows, console.width)))


def _print_json(result: Result, limit: int | None) -> int:
    shown = 0
    write("[")
    for batch in result.batches(limit):
        write((",\n" if shown else "\n") + ",\n".join(json_lines(result.columns, batch)))
        shown += len(batch)
    write("\n]\n" if shown else "]\n")
    return shown


def _left(result: Result, shown: int) -> int:
    """Rows that were not taken; one more than COUNTED_ROWS stands for any number above it."""
    if result.total is not None and result.total >= shown:
        return result.total - shown
    return sum(map(len, result.batches(COUNTED_ROWS + 1)))

"""Views of the lake for one DuckDB statement: the tables it names, with the files of the days it asks for.

DuckDB itself says which days: it plans the statement over empty tables, and what it pushes down to a table's scan
holds for every row the statement can use. Opening all files of a long history would cost far more than most answers.
"""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.lake.log import dataset_of, schema_of, table_names
from telemetry_platform.lake.snapshot import Days

# What lists tables without naming them.
_CATALOG = re.compile(r"information_schema|duckdb_|pg_|\bshow\b|\bpragma|\bdescribe\s*;?\s*$", re.IGNORECASE)
# These draw conclusions from the stand-ins being empty.
_NO_CONCLUSIONS = "SET disabled_optimizers = 'statistics_propagation,empty_result_pullup'"
_ATOM = re.compile(r"""\(*"?(\w+)"? (=|>=|<=|>|<|!=) '(\d{4}-\d\d-\d\d)'::DATE\)*""")
_LIST = re.compile(r"""\(*"?(\w+)"? IN \(('\d{4}-\d\d-\d\d'::DATE(?:, '\d{4}-\d\d-\d\d'::DATE)*)\)\)*""")

Bounds = tuple[date | None, date | None]
_EVERY_DAY: Bounds = (None, None)


def create_views(connection: duckdb.DuckDBPyConnection, lake: str, statement: str) -> list[str]:
    """Create a view for each table that `statement` can mean; returns the tables that were left out."""
    there = table_names(lake)
    named = [name for name in there if _CATALOG.search(statement) or _is_named(name, statement)]
    days = _days(lake, named, statement)
    for name in named:
        _create_view(connection, lake, TABLES[name], days.get(name))
    return [name for name in there if name not in named]


def create_remaining_views(connection: duckdb.DuckDBPyConnection, lake: str, names: list[str]) -> None:
    """Create views of whole tables: a statement that names none of them can only be answered by all of them."""
    for name in names:
        _create_view(connection, lake, TABLES[name], None)


def _is_named(name: str, statement: str) -> bool:
    """Whether the text holds the table's short name anywhere: more than the tables it reads, never less."""
    return TABLES[name].short_name.lower() in statement.lower()


def _create_view(connection: duckdb.DuckDBPyConnection, lake: str, table: Table, days: Days | None) -> None:
    registered = f"{table.stage}__{table.short_name}"
    connection.register(registered, dataset_of(lake, table, days))
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.stage}")
    connection.execute(f"CREATE VIEW {table.name} AS SELECT * FROM {registered}")


def _days(lake: str, names: list[str], statement: str) -> dict[str, Days]:
    """The days of each table that a statement can use; a table that is missing is needed whole."""
    partitioned = [name for name in names if TABLES[name].date_column in TABLES[name].partition_by]
    if not partitioned:
        return {}
    with duckdb.connect() as planner:
        try:
            parsed = planner.extract_statements(statement)
            if len(parsed) != 1 or parsed[0].type != duckdb.StatementType.SELECT:
                return {}
            planner.execute("SET TimeZone = 'UTC'")
            planner.execute(_NO_CONCLUSIONS)
            for name in names:
                _create_stand_in(planner, name, schema_of(lake, name))
            answer = planner.execute(f"EXPLAIN (FORMAT json) {statement}").fetchone()
        except duckdb.Error:
            return {}  # the statement itself is run next, and says what is wrong with it
    bounds = {name: [_bounds(filters, TABLES[name].date_column) for filters in _scans(answer, name)] for name in names}
    return {
        name: Days(TABLES[name].date_column, *_around(bounds[name]))
        for name in partitioned
        if bounds[name] and _EVERY_DAY not in bounds[name]
    }


def _create_stand_in(planner: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema) -> None:
    planner.register("columns_of_it", schema.empty_table())
    planner.execute(f"CREATE SCHEMA IF NOT EXISTS {name.split('.')[0]}")
    planner.execute(f"CREATE TABLE {name} AS SELECT * FROM columns_of_it")
    planner.unregister("columns_of_it")


def _scans(answer: Any, name: str) -> Iterator[list[str]]:
    """What each scan of a table in a plan filters by."""
    nodes = list(json.loads(answer[1]))
    while nodes:
        node = nodes.pop()
        nodes += node.get("children", ())
        details = node.get("extra_info", {})
        if details.get("Table", "").endswith(f".{name}"):
            filters = details.get("Filters") or []
            yield [filters] if isinstance(filters, str) else filters


def _bounds(filters: list[str], column: str) -> Bounds:
    """First and last day that all filters allow; what is not understood allows every day."""
    understood = [_bounds_of(text.removeprefix("optional: "), column) for text in filters]
    firsts = [first for first, _ in understood if first is not None]
    lasts = [last for _, last in understood if last is not None]
    return max(firsts, default=None), min(lasts, default=None)


def _bounds_of(text: str, column: str) -> Bounds:
    if (listed := _LIST.fullmatch(text)) and listed[1] == column:
        days = [date.fromisoformat(day) for day in re.findall(r"'([\d-]+)'", listed[2])]
        return min(days), max(days)
    for word, is_any in ((" OR ", True), (" AND ", False)):
        atoms = [_ATOM.fullmatch(part) for part in text.split(word)]
        if all(atom is not None and atom[1] == column for atom in atoms):
            return _combined([(atom[2], date.fromisoformat(atom[3])) for atom in atoms if atom], is_any=is_any)
    return _EVERY_DAY


def _combined(atoms: list[tuple[str, date]], *, is_any: bool) -> Bounds:
    firsts = [day if operator in ("=", ">", ">=") else None for operator, day in atoms]
    lasts = [day if operator in ("=", "<", "<=") else None for operator, day in atoms]
    if is_any:
        return _widest(list(zip(firsts, lasts, strict=True)))
    return max(filter(None, firsts), default=None), min(filter(None, lasts), default=None)


def _widest(bounds: list[Bounds]) -> Bounds:
    firsts, lasts = [first for first, _ in bounds], [last for _, last in bounds]
    first = None if None in firsts else min(day for day in firsts if day is not None)
    last = None if None in lasts else max(day for day in lasts if day is not None)
    return first, last


def _around(bounds: list[Bounds]) -> Bounds:
    """Start and end, not included, of what all scans together need, and a day around it.

    DuckDB filters the rows themselves; the day is for a statement that says `current_date` at midnight.
    """
    first, last = _widest(bounds)
    start = None if first is None or first <= date.min + timedelta(days=1) else first - timedelta(days=1)
    end = None if last is None or last >= date.max - timedelta(days=2) else last + timedelta(days=2)
    return start, end

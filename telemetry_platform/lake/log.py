"""The Delta log and table files read without a JVM."""

import os
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import LakeError
from telemetry_platform.lake.window import Window


@dataclass(frozen=True)
class Contents:
    """What a table holds in a window at one version: rows per day and per game, from file statistics."""

    version: int
    rows: int
    rows_by_day: dict[date, int]
    rows_by_game: dict[str, int]


def table_path(lake: str, name: str) -> str:
    """Address of table `stage.table` under the lake."""
    return f"{lake}/{name.replace('.', '/')}"


def open_table(lake: str, name: str) -> DeltaTable | None:
    """Open the newest version of a table; None when nothing was ever written to it."""
    address = table_path(lake, name).replace("s3a://", "s3://")
    if "://" not in address and not os.path.isdir(f"{address}/_delta_log"):  # noqa: PTH112 - a plain stat
        return None
    try:
        return DeltaTable(address)
    except TableNotFoundError:
        return None


def contents(lake: str, table: Table, window: Window | None = None) -> Contents:
    """Count a partitioned table's rows in `window` from the log alone, without reading a file."""
    delta = open_table(lake, table.name)
    if delta is None:
        raise LakeError(f"{table.name} does not exist yet: materialize it first.")
    actions = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    by_day: dict[date, int] = {}
    by_game: dict[str, int] = {}
    for action in actions:
        day = _as_date(action.get(f"partition.{table.date_column}"))
        if day is None or (window is not None and not window.start <= day < window.end):
            continue
        rows = int(action["num_records"] or 0)
        by_day[day] = by_day.get(day, 0) + rows
        game = action.get("partition.game_id")
        if game is not None:
            by_game[game] = by_game.get(game, 0) + rows
    return Contents(delta.version(), sum(by_day.values()), by_day, by_game)


def read_window(lake: str, table: Table, window: Window) -> tuple[int, pa.Table]:
    """Read a window of a table as Arrow, with the version it was read at."""
    delta = open_table(lake, table.name)
    if delta is None:
        raise LakeError(f"{table.name} does not exist yet: materialize it first.")
    column = ds.field(table.date_column)
    within = (column >= pc.scalar(window.start)) & (column < pc.scalar(window.end))
    return delta.version(), delta.to_pyarrow_dataset().to_table(filter=within)


def table_names(lake: str) -> list[str]:
    """Names of the product's tables that exist in the lake."""
    from telemetry_platform.contracts.tables import TABLES

    return [name for name in TABLES if open_table(lake, name) is not None]


def _as_date(value: Any) -> date | None:
    if value is None or isinstance(value, date):
        return value
    return date.fromisoformat(str(value))

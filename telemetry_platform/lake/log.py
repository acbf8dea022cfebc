"""The Delta log and table files read without a JVM."""

import os
from collections.abc import Collection, Iterator
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
from telemetry_platform.lake.actions import AddedFile, Commit, commit_of
from telemetry_platform.lake.log_folder import LogFolder
from telemetry_platform.lake.snapshot import read_snapshot
from telemetry_platform.lake.window import Window

__all__ = ["AddedFile", "Commit", "Contents"]


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


def commits_since(
    lake: str, table_name: str, version: int, columns: Collection[str] = ("event_date",)
) -> Iterator[Commit]:
    """Read the commits after `version` (-1: all), oldest first, with the file statistics of `columns` only.

    Only those commits are opened, whatever the length of the history. Raises LogTruncated, before the first is
    handed out, when one of them is no longer in the log: read `current_files` then, and go on from its version.
    """
    folder = _folder(lake, table_name)
    folder.require_commits_after(version)
    for number, actions in folder.commits_after(version):
        yield commit_of(number, actions, columns)


def current_files(
    lake: str, table_name: str, columns: Collection[str] = ("event_date",)
) -> tuple[int, str, list[AddedFile]]:
    """Read a table's newest version, its identity and all its files, with the statistics of `columns` only."""
    snapshot = read_snapshot(_folder(lake, table_name), columns=columns)
    if snapshot is None:
        raise _not_there(table_name)
    return snapshot.version, snapshot.meta_data.id, snapshot.files


def _folder(lake: str, table_name: str) -> LogFolder:
    folder = LogFolder.at(table_path(lake, table_name))
    if folder is None:
        raise _not_there(table_name)
    return folder


def _not_there(table_name: str) -> LakeError:
    return LakeError(f"{table_name} does not exist yet: materialize it first.")


def contents(lake: str, table: Table, window: Window | None = None) -> Contents:
    """Count a partitioned table's rows in `window` from the log alone, without reading a file."""
    delta = open_table(lake, table.name)
    if delta is None:
        raise LakeError(f"{table.name} does not exist yet: materialize it first.")
    counts = _rows_by_partition(delta, table)
    if window is not None:
        counts = counts.filter((pc.field("day") >= pc.scalar(window.start)) & (pc.field("day") < pc.scalar(window.end)))
    by_day = _totals(counts.filter(_IN_CALENDAR), "day")
    return Contents(delta.version(), sum(counts["rows"].to_pylist()), by_day, _totals(counts, "game"))


def _rows_by_partition(delta: DeltaTable, table: Table) -> pa.Table:
    """Day, game and row count of each file.

    Only these leave Arrow: the log also holds the least and greatest value of each column, and a client's time
    before the year 1 among them is one that Python cannot hold.
    """
    actions = pa.table(delta.get_add_actions(flatten=True))
    rows = actions["num_records"].cast(pa.int64()).fill_null(0)
    day = actions[f"partition.{table.date_column}"].cast(pa.date32())
    has_game = "partition.game_id" in actions.column_names
    game = actions["partition.game_id"].cast(pa.string()) if has_game else pa.nulls(len(actions), pa.string())
    return pa.table({"day": day, "game": game, "rows": rows})


_IN_CALENDAR = (pc.field("day") >= pc.scalar(date.min)) & (pc.field("day") <= pc.scalar(date.max))


def _totals(counts: pa.Table, column: str) -> dict[Any, int]:
    totals = counts.filter(pc.field(column).is_valid()).group_by(column).aggregate([("rows", "sum")])
    return dict(zip(totals[column].to_pylist(), totals["rows_sum"].to_pylist(), strict=True))


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

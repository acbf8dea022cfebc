"""The Delta log and table files read without a JVM."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyspark.sql.pandas.types import to_arrow_schema

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import LakeError, LogTruncated
from telemetry_platform.lake.actions import AddedFile, Commit, commit_of
from telemetry_platform.lake.log_folder import LogFolder
from telemetry_platform.lake.scan import batches, dataset, schema_of_snapshot
from telemetry_platform.lake.snapshot import Days, Snapshot, read_snapshot
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
    """Open the newest version of a table with delta-rs; None when nothing was ever written to it.

    delta-rs reads the statistics of all files to open one: ask `exists`, `newest_version`, `contents` where they do.
    """
    address = table_path(lake, name).replace("s3a://", "s3://")
    if "://" not in address and not os.path.isdir(f"{address}/_delta_log"):  # noqa: PTH112 - a plain stat
        return None
    try:
        return DeltaTable(address)
    except TableNotFoundError:
        return None


def exists(lake: str, table_name: str) -> bool:
    """Whether anything was ever written to a table; its log is not read."""
    folder = LogFolder.at(table_path(lake, table_name))
    return folder is not None and folder.holds_table()


def newest_version(lake: str, table_name: str) -> int:
    """The version of a table, from the commits after its newest checkpoint; raises LakeError without a table."""
    return _state(_folder(lake, table_name), table_name).version


def state_of(lake: str, table_name: str) -> Snapshot | None:
    """Return a table's version, identity and schema, without its files; None without a table."""
    folder = LogFolder.at(table_path(lake, table_name))
    return read_snapshot(folder, columns=None, with_files=False) if folder is not None else None


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
    _, snapshot = _snapshot_of(lake, table, _days_of(table, window), columns=())
    return _counted(snapshot.version, snapshot.files, table)


def rows_by_day_and_game(lake: str, table: Table, window: Window) -> dict[tuple[date, str], int]:
    """Count the rows of each day and game in `window` from the log alone; the table is partitioned by both."""
    _, snapshot = _snapshot_of(lake, table, _days_of(table, window), columns=())
    rows: Counter[tuple[date, str]] = Counter()
    for file in snapshot.files:
        day, game = _in_calendar(file.partition_values.get(table.date_column)), file.partition_values.get("game_id")
        if day is not None and game is not None:
            rows[day, game] += file.num_records or 0
    return dict(rows)


def contents_of_commit(lake: str, table: Table, version: int) -> Contents:
    """Count the rows that a commit wrote, from that commit alone.

    Of one that replaced whole partitions these are the rows they hold at `version`. Raises LogTruncated when the
    commit is not, or no longer, in the log.
    """
    actions = _folder(lake, table.name).commit(version)
    if actions is None:
        raise LogTruncated(f"{table.name}: the log does not hold version {version}.")
    return _counted(version, [action.add.file() for action in actions if action.add is not None], table)


def _snapshot_of(
    lake: str, table: Table, days: Days | None, columns: Collection[str] | None = None
) -> tuple[LogFolder, Snapshot]:
    """Read a table's newest version, with the files of `days`; raises LakeError when there is no table."""
    folder = _folder(lake, table.name)
    snapshot = read_snapshot(folder, days if table.date_column in table.partition_by else None, columns)
    if snapshot is None:
        raise _not_there(table.name)
    return folder, snapshot


def _days_of(table: Table, window: Window | None) -> Days | None:
    return Days.of(table.date_column, window, table.other_date_column) if window is not None else None


def _counted(version: int, files: Iterable[AddedFile], table: Table) -> Contents:
    rows, by_day, by_game = 0, Counter[date](), Counter[str]()
    for file in files:
        number = file.num_records or 0
        rows += number
        if (day := _in_calendar(table.day_of(file.partition_values))) is not None:
            by_day[day] += number
        if (game := file.partition_values.get("game_id")) is not None:
            by_game[game] += number
    return Contents(version, rows, dict(by_day), dict(by_game))


def _in_calendar(day: str | None) -> date | None:
    """A partition's day; None for NULL and for one that is no date of Python's, such as the year -221."""
    try:
        return date.fromisoformat(day) if day else None
    except ValueError:
        return None


def read_window(lake: str, table: Table, window: Window) -> tuple[int, Iterator[pa.RecordBatch]]:
    """Stream the rows of a window, in the contract's columns and types, with the version they are read at.

    Memory does not follow from the window's size. Files that are cleaned up while they are read are an error.
    """
    folder, snapshot = _snapshot_of(lake, table, _days_of(table, window))
    schema = to_arrow_schema(table.schema, timezone="UTC")
    rows = batches(folder, snapshot, schema)
    if table.date_column not in table.partition_by:
        day = ds.field(table.date_column)
        within = (day >= pc.scalar(window.start)) & (day < pc.scalar(window.end))
        rows = (batch.filter(within) for batch in rows)
    return snapshot.version, rows


def dataset_of(lake: str, table: Table, days: Days | None = None) -> ds.Dataset:
    """Open a table as a dataset in its own schema, with the files of `days` only."""
    return dataset(*_snapshot_of(lake, table, days))


def schema_of(lake: str, table_name: str) -> pa.Schema:
    """Read a table's own schema, whatever its contract says; none of its files is looked at."""
    return schema_of_snapshot(_state(_folder(lake, table_name), table_name))


def _state(folder: LogFolder, table_name: str) -> Snapshot:
    snapshot = read_snapshot(folder, columns=None, with_files=False)
    if snapshot is None:
        raise _not_there(table_name)
    return snapshot


def table_names(lake: str) -> list[str]:
    """Names of the product's tables that exist in the lake."""
    from telemetry_platform.contracts.tables import TABLES

    return [name for name in TABLES if exists(lake, name)]

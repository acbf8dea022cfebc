"""The manifest of materialized days: what tells an empty partition from one that was never run, or failed.

A day is marked `writing` before its table is touched and `done` after Delta has committed: a run that dies in
between leaves `writing`, never a `done` that the data does not bear out. A table that was changed, restored or made
anew behind the manifest's back is noticed by its version, its log and its id.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Literal

import pyarrow as pa
from deltalake import write_deltalake

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.materialized_days import MATERIALIZED_DAYS
from telemetry_platform.errors import LogTruncated
from telemetry_platform.lake.actions import partition_values_in
from telemetry_platform.lake.lease import lease
from telemetry_platform.lake.log import commits_since, exists, open_table, state_of, table_path
from telemetry_platform.lake.window import Window

State = Literal["writing", "done"]

_SCHEMA = pa.schema(
    [
        ("table_name", pa.string()),
        ("day", pa.date32()),
        ("state", pa.string()),
        ("delta_version", pa.int64()),
        ("table_id", pa.string()),
        ("rows", pa.int64()),
        ("bronze_version", pa.int64()),
        ("bronze_rows", pa.int64()),
        ("bronze_rows_before", pa.int64()),
        ("bronze_rows_after", pa.int64()),
        ("fingerprints", pa.map_(pa.string(), pa.int64())),
        ("is_stale", pa.bool_()),
        ("games_fingerprint", pa.string()),
        ("run_id", pa.string()),
        ("changed_ts", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True)
class Materialized:
    """One day of one table: from which bronze it was computed, and what came out."""

    day: date
    state: State
    bronze_version: int
    bronze_rows: int
    bronze_rows_before: int
    bronze_rows_after: int
    delta_version: int | None = None
    table_id: str | None = None
    rows: int = 0
    fingerprints: Mapping[str, int] = field(default_factory=dict)
    is_stale: bool = False
    games_fingerprint: str = ""
    run_id: str = ""


@dataclass(frozen=True)
class Written:
    """What a finished write left: the version it made, and per day the rows and fingerprints."""

    delta_version: int
    rows_by_day: Mapping[date, int]
    fingerprints: Mapping[date, Mapping[str, int]] = field(default_factory=dict)


def materialized_days(root: str, name: str) -> dict[date, Materialized]:
    """Read the days of table `name` that hold what the manifest says; a day that is not among them was never run.

    Days that somebody else changed since, and those of a table that is not the one written, are left out.
    """
    table = state_of(root, name)
    if table is None:
        return {}
    days = _recorded(root, name)
    table_id, version = table.meta_data.id, table.version
    here = {
        day: entry
        for day, entry in days.items()
        if entry.state == "writing" or (entry.table_id == table_id and (entry.delta_version or 0) <= version)
    }
    newest = max((entry.delta_version or 0 for entry in here.values()), default=0)
    if newest == version:
        return here
    changed = _days_changed_since(root, name, newest)
    return {day: entry for day, entry in here.items() if changed is not None and day not in changed}


def _recorded(root: str, name: str) -> dict[date, Materialized]:
    manifest = open_table(root, MATERIALIZED_DAYS.name)
    if manifest is None:
        return {}
    found = manifest.to_pyarrow_table(filters=[("table_name", "=", name)], columns=_SCHEMA.names[1:-1])
    return {row["day"]: Materialized(**row | {"fingerprints": dict(row["fingerprints"])}) for row in found.to_pylist()}


def _days_changed_since(root: str, name: str, version: int) -> Collection[date] | None:
    """Days whose rows later commits changed; None when that cannot be told any more."""
    table = TABLES[name]
    days = set()
    try:
        for commit in commits_since(root, name, version):
            if not commit.is_data_change:
                continue
            if commit.removed_paths:
                days |= {_day(table.day_of(partition_values_in(path) or {})) for path in commit.removed_paths}
            days |= {_day(table.day_of(file.partition_values)) for file in commit.added if file.is_data_change}
    except LogTruncated:
        return None
    return None if None in days else {day for day in days if day is not None}


def _day(value: str | None) -> date | None:
    try:
        return date.fromisoformat(value or "")
    except ValueError:
        return None


def begin(root: str, name: str, entries: Iterable[Materialized]) -> None:
    """Mark days as being written. Whoever reads them until `finish` is told that they are not there.

    Days that somebody else has changed are struck out first: the version of this write would make them look whole.
    """
    changed = _recorded(root, name).keys() - materialized_days(root, name).keys()
    if changed and (manifest := open_table(root, MATERIALIZED_DAYS.name)) is not None:
        with lease(root, MATERIALIZED_DAYS.name, owner=f"striking out days of {name}"):
            manifest.delete(f"table_name = '{name}' AND day IN ({_listed(changed)})")
    _write(root, name, [replace(entry, state="writing") for entry in entries])


def finish(root: str, name: str, entries: Iterable[Materialized], written: Written) -> list[Materialized]:
    """Mark days as done, with what was written; returns their entries."""
    table = state_of(root, name)
    table_id = table.meta_data.id if table is not None else None
    done = [
        replace(
            entry,
            state="done",
            delta_version=written.delta_version,
            table_id=table_id,
            rows=written.rows_by_day.get(entry.day, 0),
            fingerprints=written.fingerprints.get(entry.day, {}),
        )
        for entry in entries
    ]
    _write(root, name, done)
    return done


def mark_stale(root: str, name: str, entries: Iterable[Materialized]) -> None:
    """Note that days have to be restated; what they hold can still be read."""
    _write(root, name, [replace(entry, is_stale=True) for entry in entries])


def _write(root: str, name: str, entries: list[Materialized]) -> None:
    """Replace the rows of these days."""
    now = datetime.now(UTC)
    rows = [
        asdict(entry) | {"table_name": name, "changed_ts": now, "fingerprints": list(entry.fingerprints.items())}
        for entry in entries
    ]
    window = Window.of_days(min(entry.day for entry in entries), max(entry.day for entry in entries))
    address = table_path(root, MATERIALIZED_DAYS.name).replace("s3a://", "s3://")
    data = pa.Table.from_pylist(rows, schema=_SCHEMA)
    # Days of a run are contiguous, however many; those that it marks need not be.
    days = _days(window) if len(window) == len(entries) else f"day IN ({_listed(entry.day for entry in entries)})"
    predicate = f"table_name = '{name}' AND {days}"
    with lease(root, MATERIALIZED_DAYS.name, owner=f"recording {name} {window}") as held:
        if not exists(root, MATERIALIZED_DAYS.name):
            write_deltalake(address, data.slice(0, 0), partition_by=["table_name"], mode="ignore")
        held.check()
        write_deltalake(address, data, mode="overwrite", predicate=predicate)


def _listed(days: Iterable[date]) -> str:
    return ", ".join(f"DATE '{day}'" for day in sorted(days))


def _days(window: Window) -> str:
    return f"day >= DATE '{window.start}' AND day < DATE '{window.end}'"

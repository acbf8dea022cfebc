"""How many good rows bronze holds of each event day: what a partition was computed from, told without a JVM.

Bronze only grows, so the number of a day's rows says whether a day has changed since it was read. The numbers are
kept beside the table's log with the version they hold for; only the commits after it are read, and of these mostly
the statistics alone.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote

import pyarrow.parquet as pq
from pyarrow import fs

from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.errors import LakeError, LogTruncated
from telemetry_platform.lake.log import AddedFile, commits_since, current_files, state_of, table_path
from telemetry_platform.lake.log_folder import LogFolder

# Spark and VACUUM leave folders alone whose name begins so.
_INDEX = "_index/event_days.json"
_COLUMN = "event_date"


@dataclass(frozen=True)
class BronzeDays:
    """Good rows per event day of `bronze.events` at one version of the table with this id."""

    table_id: str
    version: int
    rows: dict[date, int]


def bronze_days(root: str) -> BronzeDays:
    """Count the good rows of each event day at bronze's newest version.

    Raises LakeError when there is no bronze table: nothing may take a mistyped address for an empty lake.
    """
    found, folder = state_of(root, BRONZE_EVENTS.name), LogFolder.at(table_path(root, BRONZE_EVENTS.name))
    if found is None or folder is None:
        raise LakeError(
            f"There is no bronze.events in {root}: check TELEMETRY_LAKE, "
            "or start the streaming job with `telemetry up`."
        )
    files = folder.filesystem
    known = _stored(files)
    if known is not None and known.table_id == found.meta_data.id and known.version <= found.version:
        counted = _grown(root, files, known, found.version)
    else:
        counted = _counted(root, files)
    if counted != known:
        _store(files, counted)
    return counted


def _grown(root: str, files: fs.FileSystem, known: BronzeDays, version: int) -> BronzeDays:
    """Add what was appended since; counts everything anew when rows were deleted or the log is gone."""
    if known.version == version:
        return known
    rows = Counter(known.rows)
    newest = known.version
    try:
        for commit in commits_since(root, BRONZE_EVENTS.name, known.version):
            newest = commit.version
            if not commit.is_data_change:
                continue
            if commit.removed_paths:
                return _counted(root, files)
            rows.update(_rows_of(files, commit.added))
    except LogTruncated:
        return _counted(root, files)
    return BronzeDays(known.table_id, newest, dict(rows))


def _counted(root: str, files: fs.FileSystem) -> BronzeDays:
    version, table_id, added = current_files(root, BRONZE_EVENTS.name, columns=(_COLUMN,))
    return BronzeDays(table_id, version, dict(_rows_of(files, added)))


def _rows_of(files: fs.FileSystem, added: Iterable[AddedFile]) -> Counter[date]:
    """Rows per day of the files; one that holds several days is opened for that column alone."""
    rows: Counter[date] = Counter()
    for file in added:
        nulls, count = file.null_count.get(_COLUMN), file.num_records
        first, last = file.min_values.get(_COLUMN), file.max_values.get(_COLUMN)
        if nulls is not None and nulls == count:
            continue
        if nulls is None or count is None or file.deletion_vector is not None or first is None or first != last:
            rows.update(_days_in_file(files, unquote(file.path)))
        else:
            rows[date.fromisoformat(first)] += count - nulls
    return rows


def _days_in_file(files: fs.FileSystem, path: str) -> Counter[date]:
    with files.open_input_file(path) as source:
        column = pq.ParquetFile(source).read([_COLUMN])[_COLUMN]
    counts = column.combine_chunks().value_counts().to_pylist()
    return Counter({one["values"]: one["counts"] for one in counts if one["values"] is not None})


def _stored(files: fs.FileSystem) -> BronzeDays | None:
    if files.get_file_info(_INDEX).type != fs.FileType.File:
        return None
    with files.open_input_stream(_INDEX) as stream:
        known = json.loads(stream.read())
    rows = {date.fromisoformat(day): count for day, count in known["rows"].items()}
    return BronzeDays(known["table_id"], known["version"], rows)


def _store(files: fs.FileSystem, counted: BronzeDays) -> None:
    """Write the index beside its place and move it there: a reader finds the old one or the new one."""
    rows = {day.isoformat(): count for day, count in sorted(counted.rows.items())}
    text = json.dumps({"table_id": counted.table_id, "version": counted.version, "rows": rows})
    files.create_dir(_INDEX.split("/")[0])
    beside = f"{_INDEX}.{uuid.uuid4().hex}"
    with files.open_output_stream(beside) as stream:
        stream.write(text.encode())
    files.move(beside, _INDEX)

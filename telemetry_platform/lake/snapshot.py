"""A table at its newest version: identity, schema and files, from the newest checkpoint and the commits after it.

Of a checkpoint only paths, partition values and, for the files that are kept, statistics are read, a row group at a
time: what a reader of one day costs does not follow from what the other days hold.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from telemetry_platform.errors import LakeError
from telemetry_platform.lake.actions import Action, Add, AddedFile, DeletionVector, MetaData, Protocol
from telemetry_platform.lake.log_folder import Checkpoint, LogFolder
from telemetry_platform.lake.window import Window

_ROWS_AT_ONCE = 2_000
# Read through a buffer, a column chunk is not held whole: one of statistics has hundreds of megabytes.
_BUFFER = 1 << 20
# Features that change what a file's rows are, beyond what is read here.
_READABLE = {"deletionVectors", "timestampNtz", "typeWidening", "typeWidening-preview", "vacuumProtocolCheck"}


@dataclass(frozen=True)
class Days:
    """The files whose partition value in `column` is a day from `start` up to, not including, `end`; None: no bound.

    Days are compared as text: ISO dates sort as they count, and those beyond the calendar start with a sign, which
    sorts before any digit. Without a bound on one side they are all included.
    """

    column: str
    start: date | None
    end: date | None
    otherwise: str | None = None

    @classmethod
    def of(cls, column: str, window: Window, otherwise: str | None = None) -> "Days":
        """The days of a window; files without a value in `column` have their day in `otherwise`."""
        return cls(column, window.start, window.end, otherwise)

    def hold(self, values: dict[str, str | None]) -> bool:
        """Whether a file of these partition values belongs to the days."""
        day = values.get(self.column) or (values.get(self.otherwise) if self.otherwise else None)
        if not day:
            return False
        is_far = self.end is None and day.startswith("+")
        return (self.start is None or day >= self.start.isoformat() or is_far) and (
            self.end is None or day < self.end.isoformat()
        )

    def mask(self, values: pa.Array) -> pa.Array:
        """Which of these maps of partition values belong to the days."""
        day = pc.call_function("map_lookup", [values], pc.MapLookupOptions(self.column, "first"))
        if self.otherwise is not None:
            other = pc.call_function("map_lookup", [values], pc.MapLookupOptions(self.otherwise, "first"))
            day = pc.call_function("coalesce", [day, other])
        within = day.is_valid()
        if self.start is not None:
            from_start = pc.call_function("greater_equal", [day, self.start.isoformat()])
            if self.end is None:
                far = pc.call_function("starts_with", [day], pc.MatchSubstringOptions("+"))
                from_start = pc.call_function("or", [from_start, far])
            within = pc.call_function("and", [within, from_start])
        if self.end is not None:
            within = pc.call_function("and", [within, pc.call_function("less", [day, self.end.isoformat()])])
        return within.fill_null(False)


@dataclass(frozen=True)
class Snapshot:
    """A table at `version`, with those of its files that were asked for."""

    version: int
    meta_data: MetaData
    files: list[AddedFile]


@dataclass
class _Replay:
    """What the commits after a checkpoint say; it holds more than what the checkpoint says."""

    days: Days | None
    columns: Collection[str] | None
    meta_data: MetaData | None = None
    protocol: Protocol | None = None
    # None: removed, or added outside of the window.
    files: dict[tuple[str, str | None], AddedFile | None] = field(default_factory=dict)

    def take(self, action: Action) -> None:
        if action.add is not None:
            is_kept = self.days is None or self.days.hold(action.add.partition_values)
            file = action.add.file(self.columns)
            self.files[file.key] = file if is_kept else None
        elif action.remove is not None:
            # A file whose deletion vector is replaced is removed and added in one commit, under two keys.
            self.files[action.remove.key] = None
        self.meta_data = action.meta_data or self.meta_data
        self.protocol = action.protocol or self.protocol


def read_snapshot(
    folder: LogFolder, days: Days | None = None, columns: Collection[str] | None = (), *, with_files: bool = True
) -> Snapshot | None:
    """Read the newest version of a table, with the files of `days`; None when there is no table.

    Files come with their number of rows and the statistics of `columns`. Where `columns` is None they come with
    neither, and the statistics, which are most of a checkpoint, are not read at all.
    """
    pointed = folder.last_checkpoint()
    snapshot = _replay(folder, pointed, days, columns, with_files)
    if snapshot is None:
        # The pointer is a hint. The checkpoint it names may have been cleaned up since it was read.
        snapshot = _replay(folder, folder.newest_checkpoint_listed(), days, columns, with_files)
    if pointed is not None and (snapshot is None or snapshot.version < pointed.version):
        raise LakeError(
            f"{folder.address}: checkpoint {pointed.version} is missing or of a kind that is not read here."
        )
    return snapshot


def _replay(
    folder: LogFolder,
    checkpoint: Checkpoint | None,
    days: Days | None,
    columns: Collection[str] | None,
    with_files: bool,
) -> Snapshot | None:
    """Replay the log from a checkpoint, or from its first commit; None when that is not there."""
    replay = _Replay(days, columns)
    newest = -1 if checkpoint is None else checkpoint.version
    for version, actions in folder.commits_after(newest):
        newest = version
        for action in actions:
            replay.take(action)
    # Looked for after the commits: clean-up removes a checkpoint before the commits that follow it.
    if newest < 0 or (checkpoint is not None and not folder.has(checkpoint)):
        return None
    files = [file for file in replay.files.values() if file is not None]
    for name in checkpoint.files if checkpoint is not None else ():
        with folder.filesystem.open_input_file(name) as source:
            part = pq.ParquetFile(source, buffer_size=_BUFFER, pre_buffer=False)
            _take_state(part, replay)
            adds = _adds(part, days, with_stats=columns is not None) if with_files else ()
            files += [add.file(columns) for add in adds if _key(add) not in replay.files]
    if replay.meta_data is None or replay.protocol is None:
        raise LakeError(f"{folder.address}: the log names neither a schema nor a protocol.")
    _require_readable(folder, replay.protocol, replay.meta_data)
    return Snapshot(newest, replay.meta_data, files)


def _key(add: Add) -> tuple[str, str | None]:
    return add.path, add.deletion_vector.name if add.deletion_vector is not None else None


def _require_readable(folder: LogFolder, protocol: Protocol, meta_data: MetaData) -> None:
    features = set(protocol.reader_features or ()) - _READABLE
    if protocol.min_reader_version > 3 or features:
        raise LakeError(f"{folder.address}: reading it takes {', '.join(sorted(features))}, which is not known here.")
    if (meta_data.configuration.get("delta.columnMapping.mode") or "none") != "none":
        raise LakeError(f"{folder.address}: its columns are mapped to other names, which is not read here.")


def _take_state(part: pq.ParquetFile, replay: _Replay) -> None:
    """Take schema and protocol from a checkpoint, unless a later commit has changed them."""
    wanted = {
        "metaData": ("id", "schemaString", "partitionColumns", "configuration"),
        "protocol": ("minReaderVersion", "readerFeatures"),
    }
    leaves = [f"{action}.{name}" for action, names in wanted.items() for name in names]
    for batch in part.iter_batches(_ROWS_AT_ONCE, columns=leaves):
        for action in (name for name in wanted if name in batch.schema.names):
            for row in batch.column(action).drop_null().to_pylist():
                if action == "metaData" and replay.meta_data is None:
                    configuration = dict(row["configuration"] or ())
                    replay.meta_data = MetaData(
                        row["id"], row["schemaString"], row["partitionColumns"] or [], configuration
                    )
                elif action == "protocol" and replay.protocol is None:
                    replay.protocol = Protocol(row["minReaderVersion"], row.get("readerFeatures"))


def _adds(part: pq.ParquetFile, days: Days | None, *, with_stats: bool) -> Iterator[Add]:
    """The files of the window in a part of a checkpoint."""
    add_type = part.schema_arrow.field("add").type
    names = {child.name for child in add_type}
    if with_stats and "stats" not in names:
        raise LakeError(
            "A checkpoint without statistics as JSON is not read here: unset delta.checkpoint.writeStatsAsJson."
        )
    wanted = ["add.path", "add.partitionValues"]
    wanted += ["add.stats"] if with_stats else []
    wanted += ["add.deletionVector"] if "deletionVector" in names else []
    for group in range(part.num_row_groups):
        if days is not None and not _any_of(part, group, days):
            continue
        for batch in part.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=wanted):
            adds = batch.column("add")
            kept = adds.is_valid() if days is None else days.mask(adds.field("partitionValues"))
            yield from _rows_of(adds.filter(kept))


def _any_of(part: pq.ParquetFile, group: int, days: Days) -> bool:
    """Whether a row group names a file of the window; its partition values are small and read alone."""
    batches = part.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=["add.partitionValues"])
    return any(days.mask(batch.column("add").field("partitionValues")).true_count for batch in batches)


def _rows_of(adds: pa.StructArray) -> Iterator[Add]:
    """The rows of a batch; column by column, as a row at a time takes three times as long."""
    columns = (_values(adds, name) for name in ("path", "partitionValues", "stats", "deletionVector"))
    for path, values, stats, vector in zip(*columns, strict=True):
        yield Add(path, dict(values or ()), False, stats, _vector_of(vector) if vector is not None else None)


def _values(adds: pa.StructArray, name: str) -> list[Any]:
    if name not in adds.type.names or adds.field(name).null_count == len(adds):
        return [None] * len(adds)
    return adds.field(name).to_pylist()


def _vector_of(row: dict[str, Any]) -> DeletionVector:
    return DeletionVector(row["storageType"], row["pathOrInlineDv"], row["cardinality"], row.get("offset"))

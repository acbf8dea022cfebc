"""A Parquet file to events, one a row; a row that cannot be converted costs only itself."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from telemetry_platform.cli.parquet_values import first_unreadable, json_objects, uuids, values
from telemetry_platform.cli.unreadable import Unreadable
from telemetry_platform.errors import TelemetryError

_ROWS = 1000
# What Arrow raises for a damaged file, by where it notices.
_DAMAGES = (pa.ArrowException, OSError, ValueError)
_READ_BY_NAME = {"properties": json_objects, "event_id": uuids}


def parquet_events(file: Path, source: io.BufferedReader, after: int) -> Iterator[bytes | Unreadable]:
    """Rows without the first `after`, as JSON: absent values are left out, `properties` may be JSON text.

    Raises TelemetryError when the file is not Parquet, names a column twice or cannot be read to its end;
    the row groups before the damage come first.
    """
    try:
        # INT96 in microseconds: its days reach beyond what nanoseconds in 64 bits can hold.
        table = pq.ParquetFile(source, coerce_int96_timestamp_unit="us", page_checksum_verification=True)
        schema = table.schema_arrow
    except _DAMAGES as error:
        raise TelemetryError(f"{file} is not Parquet that can be read: {str(error).rstrip('.')}.") from error
    _refuse_equal_names(file, schema, "the file")
    for batch in _batches(file, table, after):
        yield from _events(batch)


def _refuse_equal_names(file: Path, fields: Iterable[pa.Field], holder: str) -> None:
    """One of two values would be lost, and nobody could say which."""
    fields = list(fields)
    name, count = max(Counter(field.name for field in fields).items(), key=lambda one: one[1], default=("", 0))
    if count > 1:
        raise TelemetryError(f"{file} cannot be imported: {holder} has {count} columns {name}. Leave one of them.")
    for field in fields:
        kind: Any = field.type
        _refuse_equal_names(file, (kind.field(index) for index in range(kind.num_fields)), field.name)


def _batches(file: Path, table: pq.ParquetFile, after: int) -> Iterator[pa.RecordBatch]:
    """Rows group by group, so that a damaged one takes none of those before with it."""
    counts = [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
    for group, count in enumerate(counts):
        if after >= count:
            after -= count
            continue
        batches = table.iter_batches(batch_size=_ROWS, row_groups=[group])
        while True:
            try:
                batch = next(batches, None)
            except _DAMAGES as error:
                raise _unreadable(file, error) from error
            if batch is None:
                break
            count -= batch.num_rows
            if after < batch.num_rows:
                yield batch.slice(after)
            after = max(0, after - batch.num_rows)
        if count:
            raise _unreadable(file, f"row group {group + 1} does not have as many rows as it says")
    if sum(counts) != table.metadata.num_rows:
        raise _unreadable(file, f"it has {sum(counts)} rows and says that it has {table.metadata.num_rows}")


def _unreadable(file: Path, reason: Exception | str) -> TelemetryError:
    return TelemetryError(f"{file} cannot be read to its end: {str(reason).rstrip('.')}.")


def _events(batch: pa.RecordBatch) -> Iterator[bytes | Unreadable]:
    names = batch.schema.names
    columns = [_READ_BY_NAME.get(name, values)(column) for name, column in zip(names, batch.columns, strict=True)]
    for row in zip(*columns, strict=True):
        found = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        yield first_unreadable(found.items()) or msgspec.json.encode(found)

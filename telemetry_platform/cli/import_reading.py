"""A file of events to numbered JSON objects: JSON Lines (plain, gzip, zstd) and Parquet."""

import gzip
import io
import json
from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from telemetry_platform.errors import TelemetryError

_ROWS = 1000
# As the collector looks for where an event ends: numbers may have any length, strings control characters.
_LENIENT = json.JSONDecoder(parse_int=len, parse_float=len, strict=False)


def read_events(file: Path, source: io.BufferedReader, *, after: int = 0) -> Iterator[bytes]:
    """Events of a file in its order, without the first `after`; blank lines are none.

    `source` is the opened file, from whose position the progress follows. Raises TelemetryError when it
    cannot be read to its end.
    """
    if file.suffix.lower() == ".parquet":
        yield from _parquet_events(source, after)
    else:
        yield from islice(_lines(file, source), after, None)


def is_object(event: bytes) -> bool:
    """Whether a line is a JSON object; what is none would break the request it is sent in.

    One that only a lenient parser takes (NaN, a lone surrogate) is one: the collector keeps it as a reject.
    """
    if not event.startswith(b"{"):
        return False
    try:
        msgspec.json.decode(event, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            return isinstance(_LENIENT.decode(event.decode("utf-8", "surrogateescape")), dict)
        except (ValueError, RecursionError):
            return False
    return True


def _lines(file: Path, source: io.BufferedReader) -> Iterator[bytes]:
    suffix = file.suffix.lower()
    if suffix == ".gz":
        lines: io.IOBase = gzip.GzipFile(fileobj=source)
    elif suffix == ".zst":
        reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        lines = io.BufferedReader(reader)  # type: ignore[arg-type]
    else:
        lines = source
    try:
        yield from (stripped for line in lines if (stripped := line.strip()))
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise TelemetryError(f"{file} cannot be read to its end: {error}.") from error


def _parquet_events(source: io.BufferedReader, after: int) -> Iterator[bytes]:
    """Rows as JSON: absent values are left out, `properties` may be a struct or JSON text."""
    try:
        table = pq.ParquetFile(source)
    except pa.ArrowInvalid as error:
        raise TelemetryError(f"The file is not Parquet: {error}.") from error
    for batch in table.iter_batches(batch_size=_ROWS):
        if after >= batch.num_rows:
            after -= batch.num_rows
            continue
        for row in batch.slice(after).to_pylist():
            event = {name: _plain(value) for name, value in row.items() if value is not None}
            if isinstance(event.get("properties"), str):
                event["properties"] = msgspec.Raw(event["properties"].encode())
            yield msgspec.json.encode(event)
        after = 0


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.isoformat()}{'' if value.tzinfo else 'Z'}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value

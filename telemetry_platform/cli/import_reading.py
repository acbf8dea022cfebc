"""A file of events to numbered JSON objects: JSON Lines (plain, gzip, zstd) and Parquet."""

import gzip
import io
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import zstandard

from telemetry_platform.cli.import_parquet import parquet_events
from telemetry_platform.cli.unreadable import Unreadable
from telemetry_platform.errors import TelemetryError

# As the collector looks for where an event ends: numbers may have any length, strings control characters.
_LENIENT = json.JSONDecoder(parse_int=len, parse_float=len, strict=False)


def read_events(file: Path, source: io.BufferedReader, *, after: int = 0) -> Iterator[bytes | Unreadable]:
    """Events of a file in its order, without the first `after`; blank lines are none.

    A row of Parquet that no JSON can hold is an Unreadable in its place.

    `source` is the opened file, from whose position the progress follows. Raises TelemetryError when it
    cannot be read to its end.
    """
    if file.suffix.lower() == ".parquet":
        yield from parquet_events(file, source, after)
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

"""A file of events to numbered JSON objects: JSON text (plain, gzip, zstd) and Parquet, known by their content."""

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import zstandard

from telemetry_platform.cli.import_content import PARQUET, magic, text_chunks
from telemetry_platform.cli.import_parquet import parquet_events
from telemetry_platform.cli.import_text import is_object, json_objects
from telemetry_platform.cli.unreadable import Unreadable
from telemetry_platform.errors import TelemetryError

__all__ = ["is_object", "read_events"]


def read_events(file: Path, source: io.BufferedReader, *, after: int = 0) -> Iterator[bytes | Unreadable]:
    """Events of a file in its order, without the first `after`; blank lines are none.

    A row of Parquet that no JSON can hold is an Unreadable in its place. `source` is the opened file, from whose
    position the progress follows. Raises TelemetryError when it cannot be read to its end, after what can be.
    """
    if magic(source) == PARQUET or file.suffix.lower() == ".parquet":
        yield from parquet_events(file, source, after)
        return
    try:
        yield from islice(json_objects(text_chunks(source)), after, None)
    except (OSError, EOFError, ValueError, zstandard.ZstdError) as error:
        raise TelemetryError(f"{file} cannot be read to its end: {error}.") from error

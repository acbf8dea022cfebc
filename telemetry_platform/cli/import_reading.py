"""A file of events to numbered JSON objects: JSON text (plain, gzip, zstd) and Parquet, known by their content."""

import codecs
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from telemetry_platform.cli.import_objects import is_object
from telemetry_platform.cli.import_parquet import parquet_events
from telemetry_platform.cli.import_text import decoded, rows
from telemetry_platform.cli.import_unpacking import is_parquet, peek, unpacked
from telemetry_platform.cli.unreadable import Unreadable
from telemetry_platform.errors import TelemetryError, UnreadableFileError

__all__ = ["is_object", "read_events"]

_PACKED = frozenset({".gz", ".zst", ".parquet"})


def read_events(file: Path, source: io.BufferedReader, *, after: int = 0) -> Iterator[bytes | Unreadable]:
    """Events of a file in its order, without the first `after`; blank lines are none.

    A row of Parquet that no JSON can hold is an Unreadable in its place. `source` is the opened file, from whose
    position the progress follows. Raises UnreadableFileError when it cannot be read to its end, after the events
    before that place.
    """
    try:
        if is_parquet(source):
            yield from parquet_events(file, source, after)
        else:
            yield from islice(_text_events(file, source), after, None)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{file} cannot be read to its end: {error}.") from error
    except TelemetryError as error:
        # Of Parquet, whose reader names the file.
        raise UnreadableFileError(str(error)) from error
    except OSError as error:
        raise UnreadableFileError(f"{file} cannot be read to its end: {error}.") from error


def _text_events(file: Path, source: io.BufferedReader) -> Iterator[bytes]:
    head, pieces = peek(decoded(unpacked(source)))
    # A name promises a kind of file that its content is not: text of events under it is taken, other bytes are not.
    if file.suffix.lower() in _PACKED and head.strip() and not head.lstrip().startswith((b"{", b"[", codecs.BOM_UTF8)):
        raise UnreadableFileError("it is neither gzip nor zstd nor Parquet, and its text is no JSON")
    return rows(pieces)

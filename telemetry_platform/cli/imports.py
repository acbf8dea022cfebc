"""`telemetry import`: past events from a file, through the collector."""

import gzip
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import typer
import zstandard
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from telemetry_platform.cli.console import console, errors
from telemetry_platform.client import TelemetryClient
from telemetry_platform.errors import TelemetryError
from telemetry_platform.games.registry import local_keys
from telemetry_platform.settings import Limits, Settings, current_settings

BATCH_EVENTS = 1000
# Half of what the collector takes: the brackets and commas between events need room too.
BATCH_BYTES = 2 * 1024**2
# The collector refuses a whole request for an event that is larger than what Kafka could keep as a reject.
LARGEST_EVENT = Limits().kept_bytes


@dataclass
class Summary:
    """Counts of an import; `rejected` by error type, lines that are no JSON object among them."""

    file: str
    game_id: str
    read: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first_messages: dict[str, str] = field(default_factory=dict)

    def reject(self, place: int, error_type: str, message: str) -> None:
        """Count a reject and keep the first message of its type, with the event's number in the file."""
        self.rejected[error_type] += 1
        self.first_messages.setdefault(error_type, f"event {place}: {message}")


def import_events(
    file: Annotated[Path, typer.Argument(help="JSON Lines (plain, .gz, .zst) or .parquet of events.")],
    game: Annotated[str, typer.Option(help="Game the events belong to.")],
    key: Annotated[
        str | None, typer.Option(envvar="TELEMETRY_IMPORT_KEY", help="Import key; without it, this stack's own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send a file of past events to the import endpoint; sending it twice changes nothing.

    Example: telemetry import waves-2023-02.jsonl.gz --game waves
    """
    if not file.is_file():
        raise TelemetryError(f"{file} is not a file.")
    settings = current_settings()
    summary = send_file(settings, file, game, key or local_keys(settings, game).import_key)
    if as_json:
        console.print_json(json.dumps(asdict(summary)))
    else:
        console.print(f"{summary.read} events read, {summary.accepted} accepted, {summary.rejected.total()} rejected.")
        for error_type, count in summary.rejected.most_common():
            console.print(f"  {error_type}: {count}, first {summary.first_messages[error_type]}", markup=False)
    if summary.read and not summary.accepted:
        raise typer.Exit(1)


def send_file(settings: Settings, file: Path, game_id: str, key: str) -> Summary:
    """Send a file in batches, with a progress bar; raises CollectorError when the collector gives up."""
    summary = Summary(str(file), game_id)
    client = TelemetryClient(settings.collector_url, key, path="/v1/import")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as progress, file.open("rb") as source:
        task = progress.add_task(f"import {file.name}", total=os.fstat(source.fileno()).st_size)
        for batch in _batches(_events(file, source), summary):
            answer = client.send([event for _, event in batch])
            summary.accepted += answer.accepted
            for rejected in answer.rejected:
                summary.reject(batch[rejected.index][0], rejected.error_type, rejected.error_message)
            progress.update(task, completed=source.tell())
        progress.update(task, completed=os.fstat(source.fileno()).st_size)
    return summary


def _batches(events: Iterator[bytes], summary: Summary) -> Iterator[list[tuple[int, bytes]]]:
    """Group events with their number in the file; what is no JSON object would break its whole batch."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    for number, event in enumerate(events, start=1):
        summary.read += 1
        if not _is_object(event):
            summary.reject(number, "unreadable_event", "the line is not a JSON object")
            continue
        if len(event) > LARGEST_EVENT:
            summary.reject(number, "event_too_large", f"the event has {len(event)} bytes")
            continue
        if batch and (len(batch) == BATCH_EVENTS or size + len(event) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((number, event))
        size += len(event)
    if batch:
        yield batch


def _is_object(event: bytes) -> bool:
    if not event.startswith(b"{"):
        return False
    try:
        msgspec.json.decode(event, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _events(file: Path, source: io.BufferedReader) -> Iterator[bytes]:
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        yield from _parquet_events(source)
        return
    if suffix == ".gz":
        lines: io.IOBase = gzip.GzipFile(fileobj=source)
    elif suffix == ".zst":
        lines = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(source))  # type: ignore[arg-type]
    else:
        lines = source
    try:
        yield from (stripped for line in lines if (stripped := line.strip()))
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise TelemetryError(f"{file} cannot be read to its end: {error}.") from error


def _parquet_events(source: io.BufferedReader) -> Iterator[bytes]:
    """Rows as JSON: absent values are left out, `properties` may be a struct or JSON text."""
    try:
        table = pq.ParquetFile(source)
    except pa.ArrowInvalid as error:
        raise TelemetryError(f"The file is not Parquet: {error}.") from error
    for batch in table.iter_batches(batch_size=BATCH_EVENTS):
        for row in batch.to_pylist():
            event = {name: _plain(value) for name, value in row.items() if value is not None}
            if isinstance(event.get("properties"), str):
                event["properties"] = msgspec.Raw(event["properties"].encode())
            yield msgspec.json.encode(event)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.isoformat()}{'' if value.tzinfo else 'Z'}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    return value

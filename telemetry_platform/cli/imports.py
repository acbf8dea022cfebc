"""`telemetry import`: past events from a file, through the collector."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeElapsedColumn

from telemetry_platform.cli import import_progress
from telemetry_platform.cli.catching_up import bronze_lag, wait_for_bronze
from telemetry_platform.cli.console import Description, console, errors, print_json
from telemetry_platform.cli.import_progress import Summary
from telemetry_platform.cli.import_reading import is_object, read_events
from telemetry_platform.cli.unreadable import Unreadable
from telemetry_platform.client import Answer, Rejected, TelemetryClient
from telemetry_platform.collector.decoding import Rules, decode
from telemetry_platform.collector.policies import GamePolicy
from telemetry_platform.contracts.catalogue import builtin_catalogue, game_catalogue
from telemetry_platform.errors import CollectorError, LakeError, StackError, TelemetryError
from telemetry_platform.games.registry import local_keys, read_game
from telemetry_platform.settings import Limits, Settings, current_settings

BATCH_EVENTS = 1000
# Half of what the collector takes: the brackets and commas between events need room too.
BATCH_BYTES = 2 * 1024**2
# The collector refuses a whole request for an event that is larger than what Kafka could keep as a reject.
LARGEST_EVENT = Limits().kept_bytes
INTERRUPTED = 130

Send = Callable[[Sequence[bytes]], Answer]


@dataclass
class Batch:
    """Events to send, each with its number in the file, and what no request could carry.

    `end` is the number of the last event the batch decides about.
    """

    events: list[tuple[int, bytes]] = field(default_factory=list)
    unsendable: list[tuple[int, str, str]] = field(default_factory=list)
    size: int = 0
    end: int = 0


def import_events(
    file: Annotated[Path, typer.Argument(help="JSON Lines (plain, .gz, .zst) or .parquet of events.")],
    game: Annotated[str, typer.Option(help="Game the events belong to.")],
    key: Annotated[
        str | None, typer.Option(envvar="TELEMETRY_IMPORT_KEY", help="Import key; without it, this stack's own.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be rejected; send nothing.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew after an interruption.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return once bronze has what was sent.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send a file of past events to the import endpoint; sending it twice changes nothing.

    An import that was interrupted goes on where it stopped when the same command is run again.

    Example: telemetry import waves-2023-02.jsonl.gz --game waves
    """
    if not file.is_file():
        raise TelemetryError(f"{file} is not a file.")
    try:
        file.open("rb").close()
    except OSError as error:
        raise TelemetryError(f"{file} cannot be opened: {error.strerror}.") from error
    settings = current_settings()
    if dry_run:
        summary = validate_file(settings, file, game)
    else:
        summary = send_file(settings, file, game, key or local_keys(settings, game).import_key, is_anew=restart)
        trouble = _follow_up(settings, summary, wait=wait)
        summary.error = summary.error or trouble
    if as_json:
        print_json(summary.document())
    else:
        _show(summary, is_dry_run=dry_run)
    if summary.error or (summary.read and not summary.accepted):
        raise typer.Exit(1)


def _follow_up(settings: Settings, summary: Summary, *, wait: bool) -> str | None:
    """Find out how far bronze is, or `wait` for it; returns why that was in vain."""
    summary.bronze_lag_records = bronze_lag(settings)
    if not wait:
        return None
    if summary.bronze_lag_records is None:
        errors.print("Not waiting for bronze: how far it has come cannot be asked from here.")
    elif summary.bronze_lag_records:
        try:
            wait_for_bronze(settings)
        except (StackError, LakeError) as error:
            summary.bronze_lag_records = bronze_lag(settings)
            return str(error)
        # What others have sent meanwhile is not waited for.
        summary.bronze_lag_records = 0
    return None


def _show(summary: Summary, *, is_dry_run: bool) -> None:
    accepted = "would be accepted" if is_dry_run else "accepted"
    console.print(f"{summary.read} events read, {summary.accepted} {accepted}, {summary.rejected.total()} rejected.")
    for error_type, count in summary.rejected.most_common():
        console.print(f"  {error_type}: {count}, first {summary.first_messages[error_type]}", soft_wrap=True)
    if summary.error:
        errors.print(f"{summary.error} What was sent is counted above.", style="red", soft_wrap=True)
    if not is_dry_run and summary.first_date:
        console.print(_what_comes_next(summary), soft_wrap=True)


def _what_comes_next(summary: Summary) -> str:
    """Say how far bronze has come, which days were sent, and how they get into the tables."""
    lag = summary.bronze_lag_records
    if lag is None:
        bronze = "How far bronze has come cannot be asked from here."
    elif lag:
        bronze = f"Bronze has {lag} records still to come (--wait waits for them)."
    else:
        bronze = "Bronze has all of them."
    return (
        f"{bronze} The days are {summary.first_date} to {summary.last_date}:\n"
        f"  telemetry materialize --from {summary.first_date} --to {summary.last_date}"
    )


def send_file(settings: Settings, file: Path, game_id: str, key: str, *, is_anew: bool = False) -> Summary:
    """Send a file in batches, with a progress bar, from where an interrupted import of it stopped.

    Counts are those of the whole file. Raises CollectorError when the collector gives up.
    """
    progress = import_progress.Progress(settings, file, game_id)
    if is_anew:
        progress.remove()
    summary = progress.load()
    if summary.read:
        errors.print(
            f"Going on after event {summary.read} of an interrupted import of this file; "
            "`--restart` sends all of it again.",
            highlight=False,
        )
    client = TelemetryClient(settings.collector_url, key, path="/v1/import")
    try:
        _run(file, client.send, summary, done=progress.save)
    except CollectorError as error:
        if not summary.read:
            raise
        raise CollectorError(f"{error} The same command goes on after event {summary.read}.") from error
    except KeyboardInterrupt:
        errors.print(f"Interrupted after event {summary.read}. The same command goes on there.")
        raise typer.Exit(INTERRUPTED) from None
    if summary.error is None:
        progress.remove()
    return summary


def validate_file(settings: Settings, file: Path, game_id: str) -> Summary:
    """Decide on every event of a file as the import endpoint would, without any server."""
    policy = _policy(settings, game_id)

    def decide(events: Sequence[bytes]) -> Answer:
        rules = Rules(policy, "import", datetime.now(UTC), settings.start_date, settings.edge.limits)
        decided = decode(b'{"events":[' + b",".join(events) + b"]}", rules)
        rejects = (Rejected(reject.index, str(reject.error_type), reject.error_message) for reject in decided.rejects)
        return Answer(len(decided.records), tuple(rejects))

    summary = Summary(str(file), game_id)
    _run(file, decide, summary, done=lambda _: None)
    return summary


def _policy(settings: Settings, game_id: str) -> GamePolicy:
    entry = settings.games_dir / f"{game_id}.yaml"
    if not entry.exists():
        errors.print(f"{game_id} is not registered here: only the built-in events are known.")
        return GamePolicy(game_id, timedelta(days=settings.lateness_horizon_days))
    game = read_game(entry)
    catalogue = builtin_catalogue() if game.events is None else game_catalogue(game.events)
    return GamePolicy(game_id, timedelta(days=game.lateness_horizon_days), catalogue)


def _run(file: Path, send: Send, summary: Summary, *, done: Callable[[Summary], None]) -> None:
    """Send what follows `summary.read` events; `done` is called once a batch's fate is in the summary."""
    columns = (Description(), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as bar, file.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        task = bar.add_task(f"import {file.name}", total=size)
        grouped = batches(read_events(file, source, after=summary.read), start=summary.read + 1)
        while batch := _next(grouped, summary):
            answer = send([event for _, event in batch.events]) if batch.events else Answer(0, ())
            _add(summary, batch, answer)
            done(summary)
            bar.update(task, completed=source.tell())
        bar.update(task, completed=size)


def _next(grouped: Iterator[Batch], summary: Summary) -> Batch | None:
    """Return the next batch, None at the end; a file that cannot be read to its end has its reason in `summary`."""
    try:
        return next(grouped, None)
    except TelemetryError as error:
        summary.error = str(error)
        return None


def _add(summary: Summary, batch: Batch, answer: Answer) -> None:
    rejected = [
        (batch.events[one.index][0], one.error_type, one.error_message) for one in answer.rejected
    ] + batch.unsendable
    for place, error_type, message in sorted(rejected):
        summary.reject(place, error_type, message)
    refused = {one.index for one in answer.rejected}
    for index, (_, event) in enumerate(batch.events):
        if index not in refused:
            summary.accept(event)
    summary.read = batch.end


def batches(events: Iterator[bytes | Unreadable], *, start: int = 1) -> Iterator[Batch]:
    """Group events, numbered from `start`, into what one request takes; what it cannot carry is kept apart."""
    batch = Batch()
    try:
        for number, event in enumerate(events, start=start):
            is_full = len(batch.events) == BATCH_EVENTS or len(batch.unsendable) == BATCH_EVENTS
            if is_full or (batch.events and batch.size + len(_sendable(event)) > BATCH_BYTES):
                yield batch
                batch = Batch()
            _put(batch, number, event)
    except TelemetryError:
        # What was read before is good, and is sent before the reason is told.
        if batch.end:
            yield batch
        raise
    if batch.end:
        yield batch


def _put(batch: Batch, number: int, event: bytes | Unreadable) -> None:
    if isinstance(event, Unreadable):
        batch.unsendable.append((number, event.error_type, event.message))
    elif not is_object(event):
        batch.unsendable.append((number, "unreadable_event", "it is not a JSON object"))
    elif len(event) > LARGEST_EVENT:
        batch.unsendable.append((number, "event_too_large", f"the event has {len(event)} bytes"))
    else:
        batch.events.append((number, event))
        batch.size += len(event)
    batch.end = number


def _sendable(event: bytes | Unreadable) -> bytes:
    return b"" if isinstance(event, Unreadable) or len(event) > LARGEST_EVENT else event

"""`telemetry tail`: a game's events and rejects as they arrive."""

import json
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Annotated, Any, Literal

import msgspec
import typer
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from rich.text import Text

from telemetry_platform.cli.console import console, errors, print_json, printable
from telemetry_platform.games.registry import check_game_id
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.settings import EVENTS_TOPIC, REJECTED_TOPIC, Settings, current_settings

QUIET_SECONDS = 10
_POLL_SECONDS = 0.25
_LONGEST_VALUE = 40
_LONGEST_PROPERTIES = 120
_LONGEST_ORIGINAL = 100


@dataclass(frozen=True)
class Arrival:
    """One record: an event as the platform has it, or a reject's headers with the original bytes."""

    kind: Literal["event", "reject"]
    record: dict[str, Any]
    original: bytes = b""


def tail(
    game: Annotated[str, typer.Option(help="Game to watch.")],
    rejects_only: Annotated[bool, typer.Option("--rejects-only", help="Leave out what was accepted.")] = False,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest that Kafka has.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show a game's events, and what was rejected and why, as they arrive; Ctrl-C ends it.

    Example: telemetry tail --game my_game
    """
    settings = current_settings()
    topics = (REJECTED_TOPIC,) if rejects_only else (EVENTS_TOPIC, REJECTED_TOPIC)
    wanted = "rejects" if rejects_only else "events"
    try:
        with _ended_by_sigterm():
            for arrival in follow(settings, check_game_id(game), topics, is_from_start=from_start):
                if arrival is None:
                    errors.print(_how_to_send(settings, game, wanted), soft_wrap=True)
                elif as_json:
                    print_json(_document(arrival))
                else:
                    console.print(line(arrival), soft_wrap=True)
    except KeyboardInterrupt:
        return


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: the consumer is closed, and the exit status says which signal."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def follow(
    settings: Settings, game_id: str, topics: tuple[str, ...], *, is_from_start: bool
) -> Iterator[Arrival | None]:
    """Records of a game from now on, or from the start; None once in a while when there are none.

    Nothing is committed: who watches is not seen by anybody else. Raises LakeError when Kafka does not answer.
    """
    ends = end_offsets(settings.kafka, topics)
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka,
            "group.id": f"telemetry-tail-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
            "log_level": 2,
        }
    )
    try:
        consumer.assign(
            [
                TopicPartition(topic, partition, OFFSET_BEGINNING if is_from_start else end)
                for topic, partitions in ends.items()
                for partition, end in partitions.items()
            ]
        )
        told = time.monotonic()
        while True:
            for message in consumer.consume(500, timeout=_POLL_SECONDS):
                if message.error() is None and (arrival := read_arrival(message, game_id)):
                    yield arrival
                    told = time.monotonic()
            if time.monotonic() - told >= QUIET_SECONDS:
                yield None
                told = float("inf")
    finally:
        consumer.close()


def read_arrival(message: Message, game_id: str) -> Arrival | None:
    """Return what a Kafka record of `game_id` says; None for another game's."""
    value = message.value() or b""
    if message.topic() == REJECTED_TOPIC:
        headers = {
            name: text.decode("utf-8", "replace") if isinstance(text, bytes) else text or ""
            for name, text in message.headers() or []
        }
        return Arrival("reject", headers, value) if headers.get("game_id") == game_id else None
    key = message.key() or b""
    if b":" in key and not key.startswith(f"{game_id}:".encode()):
        return None
    try:
        record = msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Only a producer that writes to the topic itself can do that; bronze keeps it with its error.
        return None
    if record.get("game_id") != game_id:
        return None
    if "received_ts" not in record:
        # A producer's own record: Kafka's time is when it was received.
        record["received_ts"] = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC).isoformat()
    return Arrival("event", record)


def line(arrival: Arrival) -> Text:
    """Write an arrival in one line: time, event, player, properties; a reject in red with its reason."""
    record = arrival.record
    text = Text(_time_of(record), style="dim")
    name = printable(str(record.get("event_name") or "?"))
    if arrival.kind == "reject":
        reason = f"{record.get('error_type')}: {record.get('error_message')}"
        text.append(f"  {name:<18} ", style="bold red").append(f"REJECTED {printable(reason)}", style="red")
        original = printable(arrival.original[: 4 * _LONGEST_ORIGINAL].decode("utf-8", "replace"))
        return text.append(f"  {_cut(original, _LONGEST_ORIGINAL)}", style="dim red")
    player = printable(str(record.get("player_id") or record.get("device_id") or "?"))
    text.append(f"  {name:<18} ", style="bold").append(f"{player:<12} ", style="cyan")
    properties = record.get("properties")
    shown = (
        " ".join(f"{key}={_short(value)}" for key, value in properties.items()) if isinstance(properties, dict) else ""
    )
    return text.append(_cut(printable(shown), _LONGEST_PROPERTIES))


def _time_of(record: dict[str, Any]) -> str:
    try:
        moment = datetime.fromisoformat(str(record.get("received_ts"))).astimezone(UTC)
    except ValueError:
        return "??:??:??.???"
    return moment.strftime("%H:%M:%S.%f")[:-3]


def _short(value: Any) -> str:
    return _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _LONGEST_VALUE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _document(arrival: Arrival) -> dict[str, Any]:
    if arrival.kind == "event":
        return {"kind": arrival.kind, **arrival.record}
    return {"kind": arrival.kind, **arrival.record, "original": arrival.original.decode("utf-8", "replace")}


def _how_to_send(settings: Settings, game_id: str, wanted: str) -> str:
    event = {
        "event_id": str(uuid.uuid4()),
        "event_name": "heartbeat",
        "event_version": 1,
        "created_ts": datetime.now(UTC).isoformat(timespec="seconds"),
        "player_id": "p-1",
    }
    return (
        f"Waiting for {wanted} of {game_id}. Send one with its write key (`telemetry games add {game_id}`):\n"
        f'  curl {settings.collector_url}/v1/events -H "Authorization: Bearer $WRITE_KEY" '
        f"-d '{json.dumps({'events': [event]})}'"
    )

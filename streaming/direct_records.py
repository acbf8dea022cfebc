"""Records that a trusted producer wrote to the topic itself: validated here by the contract the collector applies."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import pyarrow as pa
from pyspark.sql import DataFrame

from telemetry_platform.collector.deciding import Reject, Rules, decide_one
from telemetry_platform.collector.error_types import EventError
from telemetry_platform.collector.policies import GamePolicies, GamePolicy
from telemetry_platform.collector.producer import reject_headers
from telemetry_platform.errors import GameRegistryError
from telemetry_platform.games.entry import check_game_id
from telemetry_platform.settings import Settings

# What only the platform stamps; in a direct record nothing follows from it.
_STAMPS = ("received_ts", "event_ts", "source", "clock_corrected")
_SCHEMA = (
    "value binary, topic string, partition int, offset bigint, timestamp timestamp, "
    "headers array<struct<key: string, value: binary>>, is_refused boolean"
)
_HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
_DECODE = msgspec.json.Decoder(dict[str, Any]).decode
_ENCODE = msgspec.json.Encoder().encode

Headers = list[tuple[str, str | bytes | None]]


def validated(records: DataFrame, settings: Settings) -> DataFrame:
    """Decide on direct records, in Python workers that know the games' contracts.

    `records` has `value`, `topic`, `partition`, `offset` and, as `timestamp`, when Kafka received them. An accepted
    one comes back as the stamped event the collector would have written, a refused one with `is_refused` and the
    headers of a reject, so that `to_bronze` takes both.
    """

    def decide(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        policies = _policies(settings)
        for batch in batches:
            yield _decide_batch(batch, policies, settings)

    return records.select("value", "topic", "partition", "offset", "timestamp").mapInArrow(decide, _SCHEMA)


@cache
def _policies(settings: Settings) -> GamePolicies:
    """One registry a worker process; it follows changes of the files."""
    return GamePolicies(settings)


def _decide_batch(batch: pa.RecordBatch, policies: GamePolicies, settings: Settings) -> pa.RecordBatch:
    received = batch.column("timestamp").to_pylist()
    decided = [
        decide_record(value, moment.astimezone(UTC), policies, settings)
        for value, moment in zip(batch.column("value").to_pylist(), received, strict=True)
    ]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([value for value, _ in decided], pa.binary()),
            *(batch.column(name) for name in ("topic", "partition", "offset", "timestamp")),
            pa.array([headers for _, headers in decided], _HEADERS),
            pa.array([headers is not None for _, headers in decided], pa.bool_()),
        ],
        names=["value", "topic", "partition", "offset", "timestamp", "headers", "is_refused"],
    )


def decide_record(
    raw: bytes | None, received: datetime, policies: GamePolicies, settings: Settings
) -> tuple[bytes | None, Headers | None]:
    """Return the stamped event and None, or the original bytes and the headers of a reject."""
    nobody = GamePolicy("", timedelta(days=settings.lateness_horizon_days))
    rules = Rules(nobody, "direct", received, settings.start_date, settings.edge.limits)
    try:
        document = _DECODE(raw or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The decider says what is wrong with bytes that cannot be read.
        outcome = decide_one(raw or b"", rules, None)
        return (raw, reject_headers(outcome, rules)) if isinstance(outcome, Reject) else (outcome[1], None)
    game_id = document.pop("game_id", None)
    policy = _policy_of(game_id, policies, settings)
    if policy is None:
        refused = _refused(EventError.UNKNOWN_GAME, f"/game_id: {game_id!r} is no game of the registry", document, raw)
        return raw, reject_headers(refused, rules)
    rules = Rules(policy, "direct", received, settings.start_date, settings.edge.limits)
    for name in _STAMPS:
        document.pop(name, None)
    try:
        sent = _sent_ts(document.pop("sent_ts", None))
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        return raw, reject_headers(_refused(EventError.SCHEMA_VIOLATION, f"/sent_ts: {error}", document, raw), rules)
    event = _ENCODE(document)
    outcome = decide_one(event, rules, sent)
    if not isinstance(outcome, Reject):
        return outcome[1], None
    # The bytes as they were written, unless something personal had to be taken out of them.
    return (raw if outcome.raw == event else outcome.raw), reject_headers(outcome, rules)


def _policy_of(game_id: Any, policies: GamePolicies, settings: Settings) -> GamePolicy | None:
    """Policy of a registered game whose entry can be used; a made-up id may be anything, a path too."""
    try:
        is_registered = (settings.games_dir / f"{check_game_id(game_id)}.yaml").exists()
    except (GameRegistryError, TypeError):
        return None
    return policies.get(game_id) if is_registered else None


def _sent_ts(written: Any) -> datetime | None:
    if written is None:
        return None
    sent = msgspec.convert(written, datetime)
    if sent.tzinfo is None:
        raise ValueError("it has no time zone: write RFC 3339 UTC")
    sent.astimezone(UTC)
    return sent


def _refused(error_type: EventError, message: str, document: dict[str, Any], raw: bytes | None) -> Reject:
    event_id, name = document.get("event_id"), document.get("event_name")
    return Reject(
        0,
        error_type,
        message,
        raw or b"",
        event_id if isinstance(event_id, str) else None,
        name if isinstance(name, str) else None,
    )

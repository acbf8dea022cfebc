"""A body to Kafka records: each event accepted and stamped, or kept as a reject with its reason.

Order of decisions, first match wins: size, JSON, depth, known event, schema, time.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import msgspec

from telemetry_platform.collector.clock import event_time, rfc3339
from telemetry_platform.collector.error_types import EventError, RequestError
from telemetry_platform.collector.limits import Limits, RefusedRequest, depth_of
from telemetry_platform.contracts.schemas import validators, whole_properties

Source = Literal["collector", "import"]


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]
    sent_ts: datetime | None = None


_DECODER = msgspec.json.Decoder(_Body)
_EVENT_DECODER = msgspec.json.Decoder(dict[str, Any])
_ENCODE = msgspec.json.Encoder().encode
# After an even number of backslashes; after an odd one it is the text "\\u0000".
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_LONGEST_MESSAGE = 500


@dataclass(frozen=True)
class Reject:
    """An event that is kept apart: its place in the batch, the reason, the original bytes."""

    index: int
    error_type: EventError
    error_message: str
    raw: bytes
    event_id: str | None
    event_name: str | None


@dataclass(frozen=True)
class Decoded:
    """A request's outcome: (key, value) of each accepted record, and the rejects."""

    records: list[tuple[str, bytes]]
    rejects: list[Reject]


@dataclass(frozen=True)
class Rules:
    """What decides about an event besides its schema."""

    game_id: str
    source: Source
    received: datetime
    horizon: timedelta
    start_date: date
    limits: Limits


class _Refused(Exception):
    def __init__(self, error_type: EventError, message: str) -> None:
        super().__init__(message[:_LONGEST_MESSAGE])
        self.error_type = error_type


def decode(body: bytes, rules: Rules) -> Decoded:
    """Decide on every event of a body; raises RefusedRequest when the body as a whole cannot be read."""
    batch = _read_body(body, rules.limits)
    sent = batch.sent_ts
    stamps = _stamps(sent, rules)
    decoded = Decoded([], [])
    for index, raw in enumerate(batch.events):
        original = bytes(raw)
        if len(original) > rules.limits.kept_bytes:
            # Kafka takes no record of this size, so it cannot be kept as a reject: a 503 would be retried for ever.
            raise RefusedRequest(
                413,
                RequestError.BODY_TOO_LARGE,
                f"Event {index} has {len(original)} bytes: {rules.limits.event_bytes} are taken.",
            )
        document: dict[str, Any] = {}
        try:
            document = _read_event(original, rules.limits)
            decoded.records.append(_accept_or_refuse(document, sent, rules, stamps))
        except _Refused as refused:
            name, event_id = document.get("event_name"), document.get("event_id")
            decoded.rejects.append(
                Reject(
                    index,
                    refused.error_type,
                    str(refused),
                    original,
                    event_id if isinstance(event_id, str) else None,
                    name if isinstance(name, str) else None,
                )
            )
    return decoded


def _stamps(sent: datetime | None, rules: Rules) -> dict[str, str]:
    """Return what every accepted event of a request is stamped with, written once."""
    stamps = {"game_id": rules.game_id, "received_ts": rfc3339(rules.received), "source": rules.source}
    if sent is None:
        return stamps
    if sent.tzinfo is None:
        raise RefusedRequest(400, RequestError.UNREADABLE_BODY, "sent_ts has no time zone: write RFC 3339 UTC.")
    try:
        return {"sent_ts": rfc3339(sent.astimezone(UTC)), **stamps}
    except OverflowError:
        raise RefusedRequest(400, RequestError.UNREADABLE_BODY, "sent_ts is in no year of the calendar.") from None


def _read_body(body: bytes, limits: Limits) -> _Body:
    try:
        batch = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedRequest(400, RequestError.UNREADABLE_BODY, f"The body cannot be read: {error}.") from None
    if len(batch.events) > limits.events:
        raise RefusedRequest(
            413, RequestError.TOO_MANY_EVENTS, f"{len(batch.events)} events in one request: {limits.events} at most."
        )
    return batch


def _read_event(raw: bytes, limits: Limits) -> dict[str, Any]:
    if len(raw) > limits.event_bytes:
        raise _Refused(EventError.EVENT_TOO_LARGE, f"the event has {len(raw)} bytes: {limits.event_bytes} at most")
    if b"\\u0000" in raw and _NUL.search(raw):
        raise _Refused(EventError.UNREADABLE_EVENT, "a string holds the NUL character")
    try:
        document = _EVENT_DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Refused(EventError.UNREADABLE_EVENT, f"the event cannot be read: {error}") from None
    # Every level costs at least two brackets: most events are too short of them to be looked through.
    if raw.count(b"{") + raw.count(b"[") > limits.depth and depth_of(document) > limits.depth:
        raise _Refused(EventError.TOO_DEEP, f"the event nests deeper than {limits.depth} levels")
    return document


def _accept_or_refuse(
    document: dict[str, Any], sent: datetime | None, rules: Rules, stamps: dict[str, str]
) -> tuple[str, bytes]:
    try:
        return _accept(document, sent, rules, stamps)
    except (ValueError, OverflowError) as error:
        # A time that has the right form and still is none: a leap second, an offset beyond the year 1.
        raise _Refused(EventError.SCHEMA_VIOLATION, f"/created_ts: {error}") from None


def _accept(document: dict[str, Any], sent: datetime | None, rules: Rules, stamps: dict[str, str]) -> tuple[str, bytes]:
    """Validate and stamp one event; returns its Kafka key and value."""
    _validate(document)
    created = datetime.fromisoformat(document["created_ts"])
    if rules.source == "import":
        moment, corrected = _imported_time(created, rules), False
    else:
        found, corrected = event_time(created=created, sent=sent, received=rules.received, horizon=rules.horizon)
        if found is None:
            raise _Refused(EventError.TOO_LATE, f"the event is older than {rules.horizon.days} days")
        moment = found
    document.setdefault("properties", {})
    document.update(stamps)
    document["event_ts"] = rfc3339(moment.astimezone(UTC))
    if corrected:
        document["clock_corrected"] = True
    player = document.get("player_id") or document.get("device_id")
    return f"{rules.game_id}:{player}", _ENCODE(document)


def _validate(document: dict[str, Any]) -> None:
    name, version = document.get("event_name"), document.get("event_version")
    validator = validators().get((name, version)) if isinstance(name, str) and type(version) is int else None
    if validator is None:
        raise _Refused(
            EventError.UNKNOWN_EVENT,
            f"event_name {name!r} with event_version {version!r} has no schema: GET /v1/schemas lists them",
        )
    if validator.is_valid(document):
        _require_whole_numbers(name, version, document.get("properties", {}))
        return
    error = next(iter(validator.iter_errors(document)))
    pointer = "/" + "/".join(str(part) for part in error.instance_path)
    raise _Refused(EventError.SCHEMA_VIOLATION, f"{pointer}: {error.message}")


def _require_whole_numbers(name: Any, version: Any, properties: dict[str, Any]) -> None:
    for key in whole_properties()[(name, version)]:
        if isinstance(properties.get(key), float):
            raise _Refused(
                EventError.SCHEMA_VIOLATION,
                f"/properties/{key}: {properties[key]} must be written without a fraction or an exponent",
            )


def _imported_time(created: datetime, rules: Rules) -> datetime:
    """History is trusted as it stands, within the partitions there are."""
    if created > rules.received:
        raise _Refused(EventError.CREATED_IN_FUTURE, f"created_ts {created.isoformat()} is in the future")
    if created.astimezone(UTC).date() < rules.start_date:
        raise _Refused(
            EventError.BEFORE_START_DATE,
            f"created_ts {created.isoformat()} is before the first partition {rules.start_date}: "
            "set TELEMETRY_START_DATE to an earlier day",
        )
    return created

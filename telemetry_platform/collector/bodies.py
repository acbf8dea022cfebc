"""A request's body to its events' original bytes."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from telemetry_platform.collector.error_types import RequestError
from telemetry_platform.collector.limits import RefusedRequest
from telemetry_platform.settings import Limits


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]
    sent_ts: datetime | None = None


@dataclass(frozen=True)
class Batch:
    """The events of a request and the client's clock when it sent them, both as they were written."""

    events: list[bytes]
    sent: datetime | None


_DECODER = msgspec.json.Decoder(_Body)
_SPACE = re.compile(r"[ \t\n\r]*")
# Numbers are not converted: only where a value ends matters here, and a number can have any length.
_SCANNER = json.JSONDecoder(parse_int=len, parse_float=len, strict=False)
# Strings, also one without an end, so that brackets in them do not count. Possessive: no way back, linear time.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def read_batch(body: bytes, limits: Limits) -> Batch:
    """Split a body into its events; raises RefusedRequest when it as a whole cannot be read."""
    try:
        read = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        read = _read_around_bad_strings(body, str(error))
    if len(read.events) > limits.events:
        raise RefusedRequest(
            413, RequestError.TOO_MANY_EVENTS, f"{len(read.events)} events in one request: {limits.events} at most."
        )
    events = [bytes(raw) for raw in read.events]
    for index, event in enumerate(events):
        if len(event) > limits.kept_bytes:
            # Kafka takes no record of this size, so it cannot be kept as a reject: a 503 would be retried for ever.
            raise RefusedRequest(
                413,
                RequestError.EVENT_TOO_LARGE,
                f"Event {index} has {len(event)} bytes: {limits.event_bytes} are taken.",
            )
    return Batch(events, _checked(read.sent_ts))


def _checked(sent: datetime | None) -> datetime | None:
    if sent is None:
        return None
    if sent.tzinfo is None:
        raise RefusedRequest(400, RequestError.UNREADABLE_BODY, "sent_ts has no time zone: write RFC 3339 UTC.")
    try:
        sent.astimezone(UTC)
    except OverflowError:
        raise RefusedRequest(400, RequestError.UNREADABLE_BODY, "sent_ts is in no year of the calendar.") from None
    return sent


def _read_around_bad_strings(body: bytes, reason: str) -> _Body:
    """Split a body that one event makes unreadable: a lone surrogate or a NaN must not cost its neighbours.

    Slower than the usual way, and used only after that one has refused. The events found are cut out of the
    body and an empty list put in their place; what is left has to be readable.
    """
    try:
        text = body.decode("utf-8", "surrogateescape")
        found = re.search(r'"events"[ \t\n\r]*:[ \t\n\r]*\[', text)
        if found is None:
            raise ValueError(reason)
        events, end = _cut_out(text, found.end())
        rest = _DECODER.decode((text[: found.end()] + text[end:]).encode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError, msgspec.DecodeError):
        # msgspec's own words name the first byte at fault; a UnicodeDecodeError is a ValueError.
        raise RefusedRequest(400, RequestError.UNREADABLE_BODY, f"The body cannot be read: {reason}.") from None
    return _Body([msgspec.Raw(event.encode("utf-8", "surrogateescape")) for event in events], rest.sent_ts)


def _cut_out(text: str, start: int) -> tuple[list[str], int]:
    """Values of the array that begins before `start`, as written, and where its closing bracket is."""
    values: list[str] = []
    position = _after_space(text, start)
    while text[position : position + 1] != "]":
        end = _end_of_value(text, position)
        values.append(text[position:end])
        position = _after_space(text, end)
        if text[position : position + 1] == ",":
            position = _after_space(text, position + 1)
        elif text[position : position + 1] != "]":
            raise ValueError("a comma or a bracket is missing")
    return values, position


def _end_of_value(text: str, start: int) -> int:
    try:
        return _SCANNER.raw_decode(text, start)[1]
    except RecursionError:
        # Nested deeper than any parser here goes. Where it ends is enough: the event is refused as too deep.
        depth = 0
        for token in _STRING_OR_BRACKET.finditer(text, start):
            if token[0][0] != '"':
                depth += 1 if token[0] in "[{" else -1
            if depth == 0:
                return token.end()
        raise ValueError("a bracket is missing") from None


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position

"""A request to Kafka records: each event accepted and stamped, or kept as a reject with its reason.

Order of decisions, first match wins: size, strings and JSON, depth, known event, schema, amount, time.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NoReturn

import msgspec

from telemetry_platform.collector.bodies import Batch, read_batch
from telemetry_platform.collector.clock import ClockTrouble, event_time
from telemetry_platform.collector.error_types import EventError
from telemetry_platform.collector.limits import depth_of
from telemetry_platform.collector.policies import GamePolicy
from telemetry_platform.contracts.amounts import (
    EDGE_CURRENCY,
    LARGEST_AMOUNT,
    MONEY_PROPERTIES,
    is_amount_out_of_range,
)
from telemetry_platform.contracts.catalogue import EventContract, Problem
from telemetry_platform.contracts.times import FIRST_YEAR, LAST_YEAR
from telemetry_platform.settings import Limits

Source = Literal["collector", "import"]

_EVENT_DECODER = msgspec.json.Decoder(dict[str, Any])
_ENCODE = msgspec.json.Encoder().encode
# After an even number of backslashes; after an odd one it is the text "\\u0000".
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_LONGEST_MESSAGE = 500
_MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Reject:
    """An event that is kept apart: its place in the batch, the reason, the bytes to keep of it."""

    index: int
    error_type: EventError
    error_message: str
    raw: bytes
    event_id: str | None
    event_name: str | None
    problems: tuple[Problem, ...] = ()


@dataclass
class Decoded:
    """A request's outcome: (key, value) of each accepted record, the rejects, and what was odd about clocks."""

    records: list[tuple[str, bytes]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    clock: dict[ClockTrouble, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Events of the request."""
        return len(self.records) + len(self.rejects)


@dataclass(frozen=True)
class Rules:
    """What decides about an event besides its schema."""

    policy: GamePolicy
    source: Source
    received: datetime
    start_date: date
    limits: Limits
    country: str | None = None

    @property
    def game_id(self) -> str:
        """Game that sends."""
        return self.policy.game_id


class _Refused(Exception):
    def __init__(self, error_type: EventError, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message[:_LONGEST_MESSAGE])
        self.error_type = error_type
        self.problems = problems


def decode(body: bytes, rules: Rules) -> Decoded:
    """Decide on every event of a body; raises RefusedRequest when the body as a whole cannot be read."""
    limits = rules.limits
    batch = read_batch(body, limits)
    decider = _Decider(batch, rules)
    decided = decider.decided
    may_hold_nul = b"\\u0000" in body
    for index, raw in enumerate(batch.events):
        document: dict[str, Any] = {}
        try:
            document = _read_event(raw, limits, may_hold_nul=may_hold_nul)
            decided.records.append(decider.accept(document))
        except _Refused as refused:
            decided.rejects.append(_reject(index, raw, document, refused, rules.policy))
    return decided


def _reject(index: int, raw: bytes, document: dict[str, Any], refused: _Refused, policy: GamePolicy) -> Reject:
    name, event_id = document.get("event_name"), document.get("event_id")
    message, problems = str(refused), refused.problems
    if policy.redactor is not None:
        raw = policy.redactor.redact_raw(raw, document)
        if any(policy.redactor.is_personal(problem.pointer) for problem in problems):
            # The validator's words repeat the value it refuses.
            message = f"{problems[0].pointer}: a personal property does not fit the schema"
    return Reject(
        index,
        refused.error_type,
        message,
        raw,
        event_id if isinstance(event_id, str) else None,
        name if isinstance(name, str) else None,
        problems,
    )


class _Decider:
    """Decides on the events of one request; what is the same for all of them is worked out once."""

    def __init__(self, batch: Batch, rules: Rules) -> None:
        self.decided = Decoded()
        self._sent = sent = batch.sent
        self._is_sent_in_range = batch.is_sent_in_range
        self._rules = rules
        self._get_contract = rules.policy.catalogue.get_by_type
        self._redactor = rules.policy.redactor
        # Times go into the record as they are: the encoder writes RFC 3339 far faster than isoformat() does.
        stamps = {"game_id": rules.game_id, "received_ts": rules.received, "source": rules.source}
        self._stamps: dict[str, Any] = stamps if sent is None else {"sent_ts": sent, **stamps}
        if sent is not None and batch.is_sent_in_range and abs(sent - rules.received) > timedelta(days=365):
            self._count("sender_years_off")

    def accept(self, document: dict[str, Any]) -> tuple[str, bytes]:
        """Validate and stamp one event; returns its Kafka key and value."""
        name, version = document.get("event_name"), document.get("event_version")
        contract = self._get_contract((name, version)) if isinstance(name, str) and type(version) is int else None
        if contract is None:
            raise _Refused(
                EventError.UNKNOWN_EVENT,
                f"event_name {name!r} with event_version {version!r} has no schema: GET /v1/schemas lists them",
            )
        if not contract.accepts(document):
            raise _violation(contract, document)
        properties = document.setdefault("properties", {})
        if is_amount_out_of_range(contract.name, properties):
            raise _amount_out_of_range(contract.name, properties)
        if not self._is_sent_in_range:
            raise _sent_out_of_range(self._sent)
        try:
            document["event_ts"] = self._event_ts(document)
        except (ValueError, OverflowError) as error:
            # A time that has the right form and still is none: a leap second, an offset beyond the year 1.
            raise _Refused(EventError.SCHEMA_VIOLATION, f"/created_ts: {error}") from None
        if self._redactor is not None:
            document["properties"] = self._redactor.redact(properties)
        if self._rules.country is not None and "country" not in document:
            document["country"] = self._rules.country
        document.update(self._stamps)
        player = document.get("player_id") or document["device_id"]
        return f"{self._rules.policy.game_id}:{player}", _ENCODE(document)

    def _event_ts(self, document: dict[str, Any]) -> datetime:
        rules = self._rules
        created = datetime.fromisoformat(document["created_ts"])
        if rules.source == "import":
            return _imported_time(created, rules)
        moment, trouble = event_time(
            created=created, sent=self._sent, received=rules.received, horizon=rules.policy.horizon
        )
        if trouble is not None:
            self._count(trouble)
            if trouble == "fell_back":
                document["clock_corrected"] = True
        if moment is None:
            raise _Refused(EventError.TOO_LATE, f"the event is older than {rules.policy.horizon.days} days")
        return moment

    def _count(self, trouble: ClockTrouble) -> None:
        self.decided.clock[trouble] = self.decided.clock.get(trouble, 0) + 1


def _read_event(raw: bytes, limits: Limits, *, may_hold_nul: bool) -> dict[str, Any]:
    if len(raw) > limits.event_bytes:
        raise _Refused(EventError.EVENT_TOO_LARGE, f"the event has {len(raw)} bytes: {limits.event_bytes} at most")
    if may_hold_nul and _NUL.search(raw):
        raise _Refused(EventError.INVALID_STRING, "a string holds the NUL character")
    try:
        document = _EVENT_DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(raw, str(error)) from None
    # Every level costs a bracket, and most events have two in all: those need not be looked through.
    if (raw.count(b"{") >= limits.depth or b"[" in raw) and depth_of(document) > limits.depth:
        raise _Refused(EventError.TOO_DEEP, f"the event nests deeper than {limits.depth} levels")
    return document


def _unreadable(raw: bytes, reason: str) -> _Refused:
    """Name what keeps an event from being read, after it could not be."""
    try:
        document = json.loads(
            raw.decode("utf-8"), parse_constant=_refuse_number, parse_float=_finite, parse_int=_finite
        )
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except _Refused as refused:
        return refused
    except UnicodeError as error:
        return _Refused(EventError.INVALID_STRING, f"a string is not valid UTF-8: {error}")
    except RecursionError:
        return _Refused(EventError.TOO_DEEP, "the event nests too deep to be read")
    except ValueError:
        pass
    return _Refused(EventError.UNREADABLE_EVENT, f"the event cannot be read: {reason}")


def _finite(text: str) -> float:
    number = float(text)
    return _refuse_number(text) if number in {float("inf"), -float("inf")} else number


def _refuse_number(text: str) -> NoReturn:
    raise _Refused(EventError.NUMBER_NOT_FINITE, f"{text[:40]} is not a finite number")


def _violation(contract: EventContract, document: dict[str, Any]) -> _Refused:
    problems = tuple(_first(contract.problems(document), _MOST_PROBLEMS))
    return _Refused(EventError.SCHEMA_VIOLATION, problems[0].message, problems)


def _amount_out_of_range(event_name: str, properties: dict[str, Any]) -> _Refused:
    pointer = f"/properties/{MONEY_PROPERTIES[event_name]}"
    got, expected = properties[MONEY_PROPERTIES[event_name]], f"at most {LARGEST_AMOUNT} {EDGE_CURRENCY}"
    message = f"{pointer}: {got} stands for more than {LARGEST_AMOUNT} {EDGE_CURRENCY}, the most one event may carry"
    return _Refused(EventError.AMOUNT_OUT_OF_RANGE, message, (Problem(pointer, expected, got, message),))


def _sent_out_of_range(sent: datetime | None) -> _Refused:
    expected = f"a time within the years {FIRST_YEAR} to {LAST_YEAR}, in UTC too"
    message = f"/sent_ts: the batch's sent_ts {sent} is not {expected}"
    return _Refused(EventError.SCHEMA_VIOLATION, message, (Problem("/sent_ts", expected, str(sent), message),))


def _first(problems: Iterator[Problem], count: int) -> Iterator[Problem]:
    for _, problem in zip(range(count), problems, strict=False):
        yield problem


def _imported_time(created: datetime, rules: Rules) -> datetime:
    """History is trusted as it stands, within the partitions there are."""
    created = created.astimezone(UTC)
    if created > rules.received:
        raise _Refused(EventError.CREATED_IN_FUTURE, f"created_ts {created.isoformat()} is in the future")
    if created.date() < rules.start_date:
        raise _Refused(
            EventError.BEFORE_START_DATE,
            f"created_ts {created.isoformat()} is before the first partition {rules.start_date}: "
            "set TELEMETRY_START_DATE to an earlier day",
        )
    return created

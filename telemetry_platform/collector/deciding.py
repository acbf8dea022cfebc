"""One event to one Kafka record: accepted and stamped, or kept as a reject with its reason.

Order of decisions, first match wins: size, strings and JSON, depth, known event, schema, amount, time.
"""

import json
import logging
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NoReturn

import msgspec

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
from telemetry_platform.contracts.times import FIRST_YEAR, LAST_YEAR, is_within_years
from telemetry_platform.settings import Limits

log = logging.getLogger(__name__)

Source = Literal["collector", "import", "direct"]
"""How an event came: from a client, as history, or written to Kafka by a producer of the studio's own."""

_EVENT_DECODER = msgspec.json.Decoder(dict[str, Any])
_ENCODE = msgspec.json.Encoder().encode
# After an even number of backslashes; after an odd one it is the text "\\u0000".
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_CONTROL = re.compile("[\u0001-\u001f\u007f-\u009f]")
_LONGEST_MESSAGE = 500
_MOST_PROBLEMS = 20
_SENDER_YEARS_OFF = timedelta(days=365)
_MOST_FRAMES = 8


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


def decide_one(raw: bytes, rules: Rules, sent: datetime | None) -> tuple[str, bytes] | Reject:
    """Return the Kafka key and value of one event, or the reject it becomes, with index 0; raises nothing.

    `raw` is the event's JSON document; `sent` is the sender's clock when it sent, aware, None when it did not
    say. Every check of a request's events is made: size, strings, depth, schema, amount, times, redaction.
    """
    return Decider(sent, rules).decide(raw)


class Decider:
    """Decides on events of one sender and moment; what is the same for all of them is worked out once.

    `clock` counts what was odd about the clocks of the events decided so far.
    """

    def __init__(self, sent: datetime | None, rules: Rules) -> None:
        self.clock: dict[ClockTrouble, int] = {}
        self._rules = rules
        self._get_contract = rules.policy.catalogue.get_by_type
        self._redactor = rules.policy.redactor
        self._written_sent = sent
        self._is_sent_in_range = sent is None or is_within_years(sent)
        self._sent = sent.astimezone(UTC) if sent is not None and self._is_sent_in_range else None
        # Times go into the record as they are: the encoder writes RFC 3339 far faster than isoformat() does.
        stamps = {"game_id": rules.game_id, "received_ts": rules.received, "source": rules.source}
        self._stamps: dict[str, Any] = stamps if self._sent is None else {"sent_ts": self._sent, **stamps}
        if self._sent is not None and abs(self._sent - rules.received) > _SENDER_YEARS_OFF:
            self._count("sender_years_off")

    def decide(self, raw: bytes, index: int = 0, *, may_hold_nul: bool = True) -> tuple[str, bytes] | Reject:
        """Return one event's Kafka key and value, or its reject; `may_hold_nul` False spares the search for one."""
        document: dict[str, Any] = {}
        try:
            document = _read_event(raw, self._rules.limits, may_hold_nul=may_hold_nul)
            return self._accept(document)
        except _Refused as refused:
            return _reject(index, raw, document, refused, self._rules.policy)
        except Exception as error:  # noqa: BLE001 - a request is a process boundary: its other events must go on
            return self._undecidable(index, raw, document, error)

    def _accept(self, document: dict[str, Any]) -> tuple[str, bytes]:
        """Validate and stamp one event; returns its Kafka key and value."""
        name, version = document.get("event_name"), document.get("event_version")
        contract = self._get_contract((name, version)) if isinstance(name, str) and type(version) is int else None
        if contract is None:
            raise _Refused(
                EventError.UNKNOWN_EVENT,
                f"event_name {name!r} with event_version {version!r} has no schema: GET /v1/schemas lists them",
            )
        if not contract.accepts(document) and not self._is_old_name(contract, document):
            raise _violation(contract, document)
        properties = document.setdefault("properties", {})
        if is_amount_out_of_range(contract.name, properties):
            raise _amount_out_of_range(contract.name, properties)
        if not self._is_sent_in_range:
            raise _sent_out_of_range(self._written_sent)
        try:
            document["event_ts"] = self._event_ts(document)
        except (ValueError, OverflowError) as error:
            # A time that has the right form and still is none: a leap second, an offset beyond the year 1.
            raise _Refused(EventError.SCHEMA_VIOLATION, f"/created_ts: {error}") from None
        if self._redactor is not None:
            document["properties"] = self._redactor.redact(properties)
        if self._rules.country is not None and "country" not in document:
            document["country"] = self._rules.country
        # A UUID is the same in upper and lower case; one way to write it, and copies are equal letter by letter.
        document["event_id"] = document["event_id"].lower()
        document.update(self._stamps)
        player = document.get("player_id") or document["device_id"]
        return f"{self._rules.policy.game_id}:{player}", _ENCODE(document)

    def _is_old_name(self, contract: EventContract, document: dict[str, Any]) -> bool:
        """Whether an imported event only has control characters in its names.

        A client of today can be mended; the ids of history are what they are, and keys are made so that none can
        imitate another.
        """
        return self._rules.source == "import" and contract.accepts(_without_control_characters(document))

    def _event_ts(self, document: dict[str, Any]) -> datetime:
        rules = self._rules
        created = datetime.fromisoformat(document["created_ts"])
        if rules.source == "import":
            return _not_before_start(_imported_time(created, rules), rules)
        moment, trouble = event_time(
            created=created, sent=self._sent, received=rules.received, horizon=rules.policy.horizon
        )
        if trouble is not None:
            self._count(trouble)
            if trouble == "fell_back":
                document["clock_corrected"] = True
        if moment is None:
            raise _Refused(EventError.TOO_LATE, f"the event is older than {rules.policy.horizon.days} days")
        return _not_before_start(moment, rules)

    def _count(self, trouble: ClockTrouble) -> None:
        self.clock[trouble] = self.clock.get(trouble, 0) + 1

    def _undecidable(self, index: int, raw: bytes, document: dict[str, Any], error: Exception) -> Reject:
        """Keep an event that the code failed on: answered with an error, it would be sent again for ever."""
        name = document.get("event_name")
        # Where it failed, without the error's own words: they may repeat what was sent.
        frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
        where = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        log.error(
            "event=undecidable game_id=%s error=%s traceback=%s", self._rules.game_id, type(error).__name__, where
        )
        message = f"deciding about the event failed ({type(error).__name__}); the collector's log says where"
        refused = _Refused(EventError.UNDECIDABLE, message)
        # What was read may be half redacted by now: only the original bytes can be judged.
        reject = _reject(index, raw, {}, refused, self._rules.policy)
        return replace(
            reject, event_id=_lower(document.get("event_id")), event_name=name if isinstance(name, str) else None
        )


def _reject(index: int, raw: bytes, document: dict[str, Any], refused: _Refused, policy: GamePolicy) -> Reject:
    name = document.get("event_name")
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
        _lower(document.get("event_id")),
        name if isinstance(name, str) else None,
        problems,
    )


def _lower(event_id: Any) -> str | None:
    return event_id.lower() if isinstance(event_id, str) else None


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


def _without_control_characters(value: Any) -> Any:
    """Return the value with each control character in its texts replaced by one that no pattern takes for a letter."""
    if isinstance(value, str):
        return value if value.isprintable() else _CONTROL.sub("\ufffd", value)
    if isinstance(value, dict):
        return {name: _without_control_characters(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_control_characters(item) for item in value]
    return value


def _violation(contract: EventContract, document: dict[str, Any]) -> _Refused:
    problems = tuple(_first(contract.problems(document), _MOST_PROBLEMS))
    message = problems[0].message if problems else f"the event does not fit the schema of {contract.name}"
    return _Refused(EventError.SCHEMA_VIOLATION, message, problems)


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
    """History is trusted as it stands, up to now."""
    created = created.astimezone(UTC)
    if created > rules.received:
        raise _Refused(EventError.CREATED_IN_FUTURE, f"created_ts {created.isoformat()} is in the future")
    return created


def _not_before_start(moment: datetime, rules: Rules) -> datetime:
    """Refuse a time that no partition holds: no run would ever read it."""
    if moment.date() < rules.start_date:
        raise _Refused(
            EventError.BEFORE_START_DATE,
            f"the event's time {moment.isoformat()} is before the first partition {rules.start_date}: "
            "set TELEMETRY_START_DATE to an earlier day",
        )
    return moment

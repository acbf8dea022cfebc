"""Events as bytes: the envelope, its time stamps and ids, and what a broken one looks like."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import Any

import msgspec

DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1)

Step = tuple[int, str, dict[str, Any] | None]
"""Milliseconds since the session began, event name, properties."""


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """The envelope as a client sends it; what is None is left out."""

    event_id: str
    event_name: str
    event_version: int
    created_ts: str
    player_id: str | None = None
    device_id: str | None = None
    session_id: str | None = None
    platform: str | None = None
    build_version: str | None = None
    country: str | None = None
    environment: str | None = None
    properties: dict[str, Any] | None = None


encode = msgspec.json.Encoder().encode


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def day_of(us: int) -> date:
    """UTC day of a time in microseconds since 1970."""
    return _EPOCH + timedelta(days=us // DAY_US)


def rfc3339(us: int, zone_minutes: int = 0) -> str:
    """Write a time in microseconds since 1970, to the millisecond where that is exact, in the zone given."""
    local = us + zone_minutes * 60_000_000
    day, rest = divmod(local, DAY_US)
    second, fraction = divmod(rest, 1_000_000)
    digits = f"{fraction:06d}" if fraction % 1_000 else f"{fraction // 1_000:03d}"
    return f"{_day_text(day)}{_clock_text(second)}.{digits}{_zone_text(zone_minutes)}"


def event_id(rng: Random) -> str:
    """Draw a version 4 UUID from `rng`."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def encode_session(
    rng: Random, template: Event, steps: Sequence[Step], start_us: int, *, zone_minutes: int
) -> list[bytes]:
    """Encode the events of one session; `template` carries what all of them share."""
    return [
        encode(
            Event(
                event_id(rng),
                name,
                1,
                rfc3339(start_us + offset_ms * 1_000, zone_minutes),
                template.player_id,
                template.device_id,
                template.session_id,
                template.platform,
                template.build_version,
                template.country,
                template.environment,
                properties,
            )
        )
        for offset_ms, name, properties in steps
    ]


def collide(event: bytes) -> bytes:
    """Return another event under the same id: what a client with a broken id generator sends."""
    other = msgspec.json.decode(event, type=Event)
    other.event_name = "heartbeat"
    other.properties = {"planted": "id_collision"}
    return encode(other)


def malform(rng: Random, event: bytes) -> tuple[str, bytes]:
    """Break a copy of `event` in one of the ways the collector must refuse; returns the way and the bytes."""
    broken = msgspec.json.decode(event)
    broken["event_id"] = event_id(rng)
    way = rng.choice(MALFORMED)
    if way == "missing_event_id":
        del broken["event_id"]
    elif way == "negative_price":
        broken["event_name"] = "purchase"
        broken["properties"] = {
            "transaction_id": broken["created_ts"],
            "product_id": "gems_small",
            "price_minor": -499,
            "currency": "USD",
        }
    elif way == "unknown_event":
        broken["event_name"] = "levle_started"
    elif way == "unknown_key":
        broken["favourite_colour"] = "green"
    elif way == "wrong_type":
        broken["event_version"] = "one"
    elif way == "no_zone":
        broken["created_ts"] = "2026-01-01T12:00:00.000"
    elif way == "nobody":
        broken.pop("player_id", None)
        broken.pop("device_id", None)
    return way, encode(broken)


MALFORMED = (
    "missing_event_id",
    "negative_price",
    "unknown_event",
    "unknown_key",
    "wrong_type",
    "no_zone",
    "nobody",
)


@cache
def _day_text(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat() + "T"


@cache
def _clock_text(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


@cache
def _zone_text(minutes: int) -> str:
    if minutes == 0:
        return "Z"
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"

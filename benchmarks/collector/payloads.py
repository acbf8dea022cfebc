"""Request bodies that look like a game's: built once, with event ids that are new in every request."""

import gzip
import itertools
import json
import random
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

GZIP_BODIES = 200
GZIP_LEVEL = 6
_ID_TAIL = re.compile(rb'(?<="event_id": ")[0-9a-f-]{24}([0-9a-f]{8})')


@dataclass(frozen=True)
class Payload:
    """One shape of request; `encoding` is empty or gzip."""

    name: str
    events: int
    encoding: str = ""


PAYLOADS = (
    Payload("100 events", 100),
    Payload("100 events, gzip", 100, "gzip"),
    Payload("1000 events", 1000),
    Payload("1000 events, gzip", 1000, "gzip"),
    Payload("1 event", 1),
)


def body_of(payload: Payload) -> bytes:
    """Write one body, not compressed; about 360 bytes an event, a twelfth of them purchases."""
    dice = random.Random(payload.events)
    now = datetime.now(UTC)
    events = [_event(dice, number, now.isoformat()) for number in range(payload.events)]
    return json.dumps({"sent_ts": now.isoformat(), "events": events}).encode()


def requests(payload: Payload, key: str) -> Iterator[bytes]:
    """Return whole HTTP requests without an end.

    The ids of a plain body are patched in place, so that no event is sent twice. A compressed body cannot be patched:
    `GZIP_BODIES` different ones are made and repeated. The collector keeps no ids, so it does the same work.
    """
    if payload.encoding:
        while True:
            yield from _compressed(payload, key)
    template, places = _template(payload)
    for number in itertools.count():
        yield _framed(_patch(template, places, number), payload, key)


@cache
def _compressed(payload: Payload, key: str) -> tuple[bytes, ...]:
    template, places = _template(payload)
    bodies = (_patch(template, places, number) for number in range(GZIP_BODIES))
    return tuple(_framed(gzip.compress(body, GZIP_LEVEL, mtime=0), payload, key) for body in bodies)


def _template(payload: Payload) -> tuple[bytearray, list[int]]:
    body = body_of(payload)
    return bytearray(body), [match.start(1) for match in _ID_TAIL.finditer(body)]


def _patch(body: bytearray, places: list[int], number: int) -> bytes:
    tail = b"%08x" % (number & 0xFFFFFFFF)
    for place in places:
        body[place : place + 8] = tail
    return bytes(body)


def _framed(body: bytes, payload: Payload, key: str) -> bytes:
    encoding = f"Content-Encoding: {payload.encoding}\r\n" if payload.encoding else ""
    head = (
        "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\n{encoding}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _event(dice: random.Random, number: int, created_ts: str) -> dict[str, Any]:
    (name,) = dice.choices(list(_PROPERTIES), weights=_WEIGHTS)
    return {
        "event_id": f"{number:08x}{str(uuid.UUID(int=dice.getrandbits(128), version=4))[8:]}",
        "event_name": name,
        "event_version": 1,
        "created_ts": created_ts,
        "player_id": f"p-{dice.getrandbits(64):016x}",
        "device_id": f"d-{dice.getrandbits(64):016x}",
        "platform": dice.choice(["ios", "android", "windows"]),
        "build_version": "1.4.2",
        "country": dice.choice(["DE", "US", "JP", "BR"]),
        "properties": _PROPERTIES[name](dice),
    }


def _level_completed(dice: random.Random) -> dict[str, Any]:
    seconds = dice.randint(1, 6000) / 10
    return {"level": f"world-3-{dice.randint(1, 99)}", "score": dice.randint(0, 99999), "seconds": seconds}


def _purchase(dice: random.Random) -> dict[str, Any]:
    return {
        "transaction_id": f"GPA.{dice.getrandbits(60)}",
        "product_id": "gems_large",
        "price_minor": dice.choice([99, 499, 999]),
        "currency": "USD",
        "receipt_status": "valid",
    }


def _economy_source(dice: random.Random) -> dict[str, Any]:
    return {
        "soft_currency": "gems",
        "amount": dice.randint(1, 500),
        "reason": "level_reward",
        "balance": dice.randint(0, 99999),
    }


_PROPERTIES: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "heartbeat": lambda dice: {"scene": f"world-{dice.randint(1, 40)}", "fps": dice.randint(20, 60)},
    "level_started": lambda dice: {"level": f"world-3-{dice.randint(1, 99)}", "level_index": dice.randint(1, 400)},
    "level_completed": _level_completed,
    "purchase": _purchase,
    "economy_source": _economy_source,
    "performance": lambda dice: {"fps_avg": dice.randint(200, 600) / 10, "memory_mb": 812, "ping_ms": 41.5},
}
_WEIGHTS = (4, 2, 2, 1, 2, 1)

"""A POST with events: authorize, hold to the quota, read, decide, produce, answer."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from telemetry_platform.collector import metrics
from telemetry_platform.collector.deciding import Rules, Source
from telemetry_platform.collector.decoding import Decoded, decode
from telemetry_platform.collector.error_types import RequestError
from telemetry_platform.collector.http import ENCODE, Answer, Request, json_answer
from telemetry_platform.collector.limits import RefusedRequest, decompress
from telemetry_platform.collector.policies import GamePolicies, GamePolicy
from telemetry_platform.collector.producer import EventProducer
from telemetry_platform.contracts.catalogue import Problem
from telemetry_platform.games.keys import KeyRing
from telemetry_platform.settings import Settings

SOURCES: dict[str, Source] = {"/v1/events": "collector", "/v1/import": "import", "/v1/validate": "collector"}
VALIDATE = "/v1/validate"

_BUSY_RETRY_SECONDS = 1
_COUNTRY = re.compile(r"[A-Z]{2}")
# What proxies say when they do not know, or for Tor: no country of ISO 3166-1.
_NO_COUNTRY = frozenset({"XX", "T1"})
_LONGEST_GOT = 200


class Intake:
    """Takes events for every game, within bounds of memory and of each game's quota."""

    def __init__(self, settings: Settings, producer: EventProducer, policies: GamePolicies, keys: KeyRing) -> None:
        self._settings = settings
        self._limits = settings.edge.limits
        self._producer = producer
        self._policies = policies
        self._keys = keys
        self._in_flight_bytes = 0

    async def take(self, request: Request) -> Answer:
        """Answer a POST of events; raises RefusedRequest when none of them is taken."""
        policy = self._authorize(request)
        if wait := policy.quota.wait_seconds():
            metrics.OVER_QUOTA.labels(policy.game_id).inc()
            raise RefusedRequest(
                429,
                RequestError.OVER_QUOTA,
                f"The game sends more than its quota: send the same request again in {wait} s.",
                retry_after=wait,
            )
        sent = await self._read_body(request)
        body = decompress(sent, request.header(b"content-encoding").lower(), self._limits.decompressed_bytes)
        with self._in_flight(len(body)):
            policy.quota.charge(size=len(body))
            rules = self._rules(request, policy)
            decoded = decode(body, rules)
            policy.quota.charge(events=decoded.count)
            request.notes |= {"bytes": len(sent), "accepted": len(decoded.records), "rejected": len(decoded.rejects)}
            if request.path == VALIDATE:
                return _outcome(decoded, is_detailed=True)
            with metrics.PRODUCE_SECONDS.time():
                await self._producer.send(decoded, rules)
        _count(decoded, rules)
        return _outcome(decoded, is_detailed=False)

    def _authorize(self, request: Request) -> GamePolicy:
        """Policy of the key's game; raises RefusedRequest 401 or 403."""
        scheme, _, key = request.header(b"authorization").partition(" ")
        grant = self._keys.lookup(key.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            raise RefusedRequest(
                401,
                RequestError.UNKNOWN_KEY,
                "The key is unknown: send `Authorization: Bearer <write key of the game>`.",
            )
        request.notes["game_id"] = grant.game_id
        right = "import" if request.path == "/v1/import" else "write"
        if right not in grant.rights:
            raise RefusedRequest(403, RequestError.MISSING_RIGHT, f"The key does not have the right to {right}.")
        policy = self._policies.get(grant.game_id)
        if policy is None:
            raise RefusedRequest(
                503,
                RequestError.UNAVAILABLE,
                "The game's registry entry cannot be used; the collector's log says why. Send again later.",
                retry_after=30,
            )
        return policy

    async def _read_body(self, request: Request) -> bytes:
        """Read the whole body, as sent, within the limits of size and time."""
        largest = self._limits.body_bytes
        declared = request.header(b"content-length")
        if declared.isdigit() and int(declared[:20]) > largest:
            raise _too_large(largest)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._receive_all(request, largest)
        except TimeoutError:
            raise RefusedRequest(
                408, RequestError.SLOW_BODY, f"The body did not arrive within {self._limits.body_seconds} s."
            ) from None

    async def _receive_all(self, request: Request, largest: int) -> bytes:
        message = await request.receive()
        body = message.get("body", b"")
        if not message.get("more_body", False) and message["type"] != "http.disconnect" and len(body) <= largest:
            return body
        parts, size = [body], len(body)
        # What is held while a body arrives counts too: many slow senders must not fill the memory.
        with self._in_flight(0) as hold:
            while True:
                if message["type"] == "http.disconnect":
                    raise RefusedRequest(400, RequestError.UNREADABLE_BODY, "The client went away.")
                if size > largest:
                    raise _too_large(largest)
                if not message.get("more_body", False):
                    return b"".join(parts)
                message = await request.receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                hold(len(parts[-1]))

    @contextmanager
    def _in_flight(self, size: int) -> Iterator[Any]:
        """Count bytes that are being worked on; refuses with 503 what would be too much at once."""
        held = 0

        def hold(more: int) -> None:
            nonlocal held
            if self._in_flight_bytes + more > self._limits.in_flight_bytes and self._in_flight_bytes > 0:
                raise RefusedRequest(
                    503,
                    RequestError.UNAVAILABLE,
                    "Too many bytes are being worked on: send the same request again.",
                    retry_after=_BUSY_RETRY_SECONDS,
                )
            held += more
            self._in_flight_bytes += more
            metrics.IN_FLIGHT_BYTES.set(self._in_flight_bytes)

        try:
            hold(size)
            yield hold
        finally:
            self._in_flight_bytes -= held
            metrics.IN_FLIGHT_BYTES.set(self._in_flight_bytes)

    def _rules(self, request: Request, policy: GamePolicy) -> Rules:
        return Rules(
            policy=policy,
            source=SOURCES[request.path],
            received=datetime.now(UTC),
            start_date=self._settings.start_date,
            limits=self._limits,
            country=self._country(request),
        )

    def _country(self, request: Request) -> str | None:
        """Country a proxy in front of the collector found; None unless one is set up and knows it."""
        name = self._settings.edge.country_header
        country = request.header(name.encode()).upper() if name else ""
        return country if _COUNTRY.fullmatch(country) and country not in _NO_COUNTRY else None


def _too_large(largest: int) -> RefusedRequest:
    return RefusedRequest(413, RequestError.BODY_TOO_LARGE, f"The body is larger than {largest} bytes.")


def _count(decoded: Decoded, rules: Rules) -> None:
    metrics.ACCEPTED.labels(rules.game_id, rules.source).inc(len(decoded.records))
    for reject in decoded.rejects:
        metrics.REJECTED.labels(rules.game_id, reject.error_type).inc()
    for trouble, count in decoded.clock.items():
        metrics.CLOCK.labels(rules.game_id, trouble).inc(count)


def _outcome(decoded: Decoded, *, is_detailed: bool) -> Answer:
    rejected: list[dict[str, Any]] = [
        {"index": reject.index, "error_type": reject.error_type, "error_message": reject.error_message}
        for reject in decoded.rejects
    ]
    if is_detailed:
        for item, reject in zip(rejected, decoded.rejects, strict=True):
            item["errors"] = [_detail(problem) for problem in reject.problems]
    return json_answer(202, {"accepted": len(decoded.records), "rejected": rejected})


def _detail(problem: Problem) -> dict[str, Any]:
    """Write one problem for a game developer; a large value is cut, and is text then."""
    got = ENCODE(problem.got)
    return {
        "pointer": problem.pointer,
        "expected": problem.expected,
        "got": problem.got if len(got) <= _LONGEST_GOT else got[:_LONGEST_GOT].decode("utf-8", "ignore") + "…",
        "message": problem.message[:_LONGEST_GOT],
    }

"""The collector's ASGI application: route, authenticate, read, decide, produce, answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from telemetry_platform.collector import metrics
from telemetry_platform.collector.decoding import Decoded, Rules, Source, decode
from telemetry_platform.collector.error_types import RequestError
from telemetry_platform.collector.limits import Limits, RefusedRequest, decompress
from telemetry_platform.collector.producer import EventProducer
from telemetry_platform.contracts.schemas import event_schemas, published_schema
from telemetry_platform.games.keys import KeyRing
from telemetry_platform.settings import Settings

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_ENCODE = msgspec.json.Encoder().encode
_SOURCES: dict[str, Source] = {"/v1/events": "collector", "/v1/import": "import", "/v1/validate": "collector"}


@dataclass(frozen=True)
class Answer:
    """Status, body and headers of a response."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)


def json_answer(status: int, document: Any, *extra: tuple[bytes, bytes]) -> Answer:
    """Answer with a JSON document."""
    return Answer(status, _ENCODE(document), ((b"content-type", b"application/json"), *extra))


class Collector:
    """ASGI application over one producer; `limits` bound every request."""

    def __init__(self, settings: Settings, producer: EventProducer, limits: Limits | None = None) -> None:
        self._settings = settings
        self._producer = producer
        self._limits = limits or Limits()
        self._keys = KeyRing(settings.keys_dir)
        self._horizon = timedelta(days=settings.lateness_horizon_days)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request, or the start and end of the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            answer = await self._route(scope, receive)
        except RefusedRequest as refused:
            extra = ((b"retry-after", str(refused.retry_after).encode()),) if refused.retry_after else ()
            answer = json_answer(
                refused.status, {"error_type": refused.error_type, "error_message": refused.message}, *extra
            )
        known = scope["path"] if scope["path"] in _KNOWN_PATHS else "other"
        metrics.REQUESTS.labels(known, answer.status).inc()
        length = (b"content-length", str(len(answer.body)).encode())
        await send({"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, length]})
        await send({"type": "http.response.body", "body": answer.body})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                # The server has answered its last request: nothing accepted may stay in the queue.
                await asyncio.to_thread(self._producer.close)
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _route(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path in _SOURCES:
            _require_method(method, "POST")
            return await self._take(scope, receive, path)
        if path in _PAGES or path == "/v1/schemas" or path.startswith("/v1/schemas/"):
            _require_method(method, "GET")
            return await _PAGES[path](self) if path in _PAGES else _schema(path)
        raise RefusedRequest(404, RequestError.NOT_FOUND, f"There is nothing at {path}: see /v1/schemas.")

    async def _take(self, scope: Scope, receive: Receive, path: str) -> Answer:
        headers = dict(scope["headers"])
        game_id = self._authorize(headers, path)
        body = await self._read(headers, receive)
        metrics.IN_FLIGHT_BYTES.inc(len(body))
        try:
            rules = Rules(
                game_id=game_id,
                source=_SOURCES[path],
                received=datetime.now(UTC),
                horizon=self._horizon,
                start_date=self._settings.start_date,
                limits=self._limits,
            )
            decoded = decode(body, rules)
            if path == "/v1/validate":
                return _outcome(200, decoded)
            with metrics.PRODUCE_SECONDS.time():
                await self._producer.send(decoded, rules)
        finally:
            metrics.IN_FLIGHT_BYTES.dec(len(body))
        metrics.ACCEPTED.labels(game_id, rules.source).inc(len(decoded.records))
        for reject in decoded.rejects:
            metrics.REJECTED.labels(game_id, reject.error_type).inc()
        return _outcome(202, decoded)

    def _authorize(self, headers: dict[bytes, bytes], path: str) -> str:
        """Game of the request's key; raises RefusedRequest 401 or 403."""
        scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        grant = self._keys.lookup(key.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            raise RefusedRequest(
                401,
                RequestError.UNKNOWN_KEY,
                "The key is unknown: send `Authorization: Bearer <write key of the game>`.",
            )
        right = "import" if path == "/v1/import" else "write"
        if right not in grant.rights:
            raise RefusedRequest(403, RequestError.MISSING_RIGHT, f"The key does not have the right to {right}.")
        return grant.game_id

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Read the whole body, decompressed, within the limits."""
        largest = self._limits.body_bytes
        declared = headers.get(b"content-length", b"0")
        parts, size, more = [], int(declared) if declared.isdigit() else 0, True
        if size <= largest:
            size = 0
            while more and size <= largest:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusedRequest(400, RequestError.UNREADABLE_BODY, "The client went away.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                more = message.get("more_body", False)
        if size > largest:
            raise RefusedRequest(413, RequestError.BODY_TOO_LARGE, f"The body is larger than {largest} bytes.")
        encoding = headers.get(b"content-encoding", b"").decode("latin-1").lower()
        return decompress(b"".join(parts), encoding, self._limits.decompressed_bytes)

    async def health(self) -> Answer:
        """Say that the process answers."""
        return json_answer(200, {"status": "ok"})

    async def readiness(self) -> Answer:
        """Say whether events would be taken now: 503 while Kafka does not answer."""
        ready = await asyncio.to_thread(self._producer.is_ready)
        return json_answer(200 if ready else 503, {"status": "ready" if ready else "kafka does not answer"})

    async def prometheus(self) -> Answer:
        """Expose the metrics."""
        metrics.QUEUED.set(self._producer.queued)
        return Answer(200, generate_latest(), ((b"content-type", CONTENT_TYPE_LATEST.encode()),))


_PAGES: dict[str, Callable[[Collector], Awaitable[Answer]]] = {
    "/healthz": Collector.health,
    "/readyz": Collector.readiness,
    "/metrics": Collector.prometheus,
}
_KNOWN_PATHS = frozenset({*_SOURCES, *_PAGES, "/v1/schemas"})


def _require_method(method: str, wanted: str) -> None:
    if method != wanted:
        raise RefusedRequest(405, RequestError.METHOD_NOT_ALLOWED, f"{method} is not answered here: use {wanted}.")


def _outcome(status: int, decoded: Decoded) -> Answer:
    rejected = [
        {"index": reject.index, "error_type": reject.error_type, "error_message": reject.error_message}
        for reject in decoded.rejects
    ]
    return json_answer(status, {"accepted": len(decoded.records), "rejected": rejected})


def _schema(path: str) -> Answer:
    """Serve the list of events, or one schema: /v1/schemas/{name}/{version}."""
    parts = path.removeprefix("/v1/schemas").strip("/").split("/")
    schemas = event_schemas()
    if parts == [""]:
        return json_answer(200, [{"event_name": name, "event_version": version} for name, version in sorted(schemas)])
    found = {f"{name}/{version}": (name, version) for name, version in schemas}.get("/".join(parts))
    if found is None:
        raise RefusedRequest(404, RequestError.NOT_FOUND, f"There is no schema at {path}: /v1/schemas lists them.")
    return json_answer(200, published_schema(found))

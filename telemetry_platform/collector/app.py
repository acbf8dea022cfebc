"""The collector's ASGI application: route, answer, log."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from telemetry_platform.collector import metrics
from telemetry_platform.collector.error_types import RequestError
from telemetry_platform.collector.http import (
    Answer,
    Receive,
    Request,
    Scope,
    Send,
    answer_headers,
    json_answer,
    preflight,
)
from telemetry_platform.collector.intake import SOURCES, Intake
from telemetry_platform.collector.limits import RefusedRequest
from telemetry_platform.collector.openapi import openapi
from telemetry_platform.collector.policies import GamePolicies
from telemetry_platform.collector.producer import EventProducer
from telemetry_platform.contracts.catalogue import Catalogue, builtin_catalogue
from telemetry_platform.games.keys import KeyRing
from telemetry_platform.settings import Settings

log = logging.getLogger(__name__)
access_log = logging.getLogger("telemetry_platform.collector.access")

SCHEMAS = "/v1/schemas"


class Collector:
    """ASGI application over one producer; `settings.edge` bounds every request."""

    def __init__(self, settings: Settings, producer: EventProducer) -> None:
        self._settings = settings
        self._edge = settings.edge
        self._producer = producer
        self._keys = KeyRing(settings.keys_dir)
        self._policies = GamePolicies(settings)
        self._intake = Intake(settings, producer, self._policies, self._keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request, or the start and end of the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        request = Request.of(scope, receive)
        try:
            answer = await self._route(request)
        except RefusedRequest as refused:
            answer = _refusal(refused, request)
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": answer_headers(request, answer, self._edge),
            }
        )
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else answer.body})
        self._report(request, answer, time.perf_counter() - started)

    def _report(self, request: Request, answer: Answer, seconds: float) -> None:
        """Count and log an answered request; never the client's address, its key, or what it sent."""
        metrics.REQUESTS.labels(request.path if request.path in _KNOWN_PATHS else "other", answer.status).inc()
        metrics.REQUEST_SECONDS.observe(seconds)
        if self._edge.has_access_log:
            notes = "".join(f" {name}={value}" for name, value in request.notes.items())
            access_log.info(
                "event=request request_id=%s method=%s path=%s status=%d milliseconds=%.1f%s",
                request.request_id,
                request.method if request.method.isalpha() else "other",
                request.path if request.path in _KNOWN_PATHS else "other",
                answer.status,
                seconds * 1000,
                notes,
            )

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                # The server has answered its last request: nothing accepted may stay in the queue.
                await asyncio.to_thread(self._producer.close)
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _route(self, request: Request) -> Answer:
        path = request.path
        if path in SOURCES:
            if request.method == "OPTIONS":
                return preflight(request, self._edge)
            _require_method(request, "POST")
            return await self._intake.take(request)
        if path in _PAGES or path == SCHEMAS or path.startswith(f"{SCHEMAS}/"):
            if request.method == "OPTIONS":
                return preflight(request, self._edge)
            _require_method(request, "GET", "HEAD")
            if path in _PAGES:
                return await _PAGES[path](self)
            return schema_page(path, self._catalogue_of(request))
        raise RefusedRequest(404, RequestError.NOT_FOUND, f"There is nothing here: see {SCHEMAS} or /openapi.json.")

    def _catalogue_of(self, request: Request) -> Catalogue:
        """Events of the key's game; without a key, or with an unknown one, the built-in ones."""
        grant = self._keys.lookup(request.header(b"authorization").partition(" ")[2].strip())
        policy = self._policies.get(grant.game_id) if grant else None
        return policy.catalogue if policy else builtin_catalogue()

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

    async def description(self) -> Answer:
        """Describe this interface as OpenAPI 3.1."""
        return json_answer(200, openapi(self._edge.limits))


def schema_page(path: str, catalogue: Catalogue) -> Answer:
    """Serve the list of events, or one schema: /v1/schemas/{name}/{version}."""
    wanted = path.removeprefix(SCHEMAS).strip("/")
    if not wanted:
        return json_answer(
            200, [{"event_name": contract.name, "event_version": contract.version} for contract in catalogue]
        )
    for contract in catalogue:
        if wanted == f"{contract.name}/{contract.version}":
            return json_answer(200, contract.published())
    raise RefusedRequest(404, RequestError.NOT_FOUND, f"There is no such schema: {SCHEMAS} lists them.")


_PAGES: dict[str, Callable[[Collector], Awaitable[Answer]]] = {
    "/healthz": Collector.health,
    "/readyz": Collector.readiness,
    "/metrics": Collector.prometheus,
    "/openapi.json": Collector.description,
}
_KNOWN_PATHS = frozenset({*SOURCES, *_PAGES, SCHEMAS})


def _require_method(request: Request, *wanted: str) -> None:
    if request.method not in wanted:
        raise RefusedRequest(405, RequestError.METHOD_NOT_ALLOWED, f"Use {wanted[0]} here.", allow=wanted)


def _refusal(refused: RefusedRequest, request: Request) -> Answer:
    metrics.REFUSED.labels(refused.error_type).inc()
    request.notes["error_type"] = refused.error_type
    extra = []
    if refused.retry_after:
        extra.append((b"retry-after", str(refused.retry_after).encode()))
    if refused.allow:
        extra.append((b"allow", ", ".join([*refused.allow, "OPTIONS"]).encode()))
    if refused.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    if refused.status in {408, 413}:
        # The rest of the body is not read: the connection cannot be used for another request.
        extra.append((b"connection", b"close"))
    document = {
        "error_type": refused.error_type,
        "error_message": refused.message,
        "request_id": request.request_id,
    }
    return json_answer(refused.status, document, *extra)

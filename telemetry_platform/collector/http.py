"""What every request and answer has: the parsed head, the answer, its id, and who may read it."""

import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from telemetry_platform.settings import EdgeSettings

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON_TYPE: Header = (b"content-type", b"application/json")
ENCODE = msgspec.json.Encoder().encode
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Content-Encoding, X-Request-Id"),
    (b"access-control-max-age", b"7200"),
)


@dataclass(frozen=True)
class Answer:
    """Status, body and headers of a response."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = (JSON_TYPE,)


@dataclass
class Request:
    """The head of a request, and what the access log says of it once it is answered."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    request_id: str
    receive: Receive
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> "Request":
        """Read the head; the client's X-Request-Id is kept when it is a plain word, else one is made."""
        headers = dict(scope["headers"])
        sent_id = headers.get(b"x-request-id", b"")
        request_id = sent_id.decode("ascii") if _REQUEST_ID.fullmatch(sent_id) else f"{random.getrandbits(128):032x}"
        return cls(scope["method"], scope["path"], headers, request_id, receive)

    def header(self, name: bytes) -> str:
        """Return a header's value, "" when it is not there."""
        return self.headers.get(name, b"").decode("latin-1")


def json_answer(status: int, document: Any, *extra: Header) -> Answer:
    """Answer with a JSON document."""
    return Answer(status, ENCODE(document), (JSON_TYPE, *extra))


def answer_headers(request: Request, answer: Answer, edge: EdgeSettings) -> list[Header]:
    """Return all headers of an answer, those for pages of other origins included."""
    length = () if answer.status == 204 else ((b"content-length", str(len(answer.body)).encode()),)
    return [
        *answer.headers,
        *length,
        (b"x-request-id", request.request_id.encode()),
        *_cors(request, edge),
    ]


def preflight(request: Request, edge: EdgeSettings) -> Answer:
    """Answer a browser's question whether a page of another origin may send."""
    is_allowed = any(name == b"access-control-allow-origin" for name, _ in _cors(request, edge))
    return Answer(204, b"", _PREFLIGHT if is_allowed else ())


def _cors(request: Request, edge: EdgeSettings) -> tuple[Header, ...]:
    origin = request.header(b"origin")
    if not origin or not edge.cors_origins:
        return ()
    readable = (b"access-control-expose-headers", b"Retry-After, X-Request-Id")
    if "*" in edge.cors_origins:
        return ((b"access-control-allow-origin", b"*"), readable)
    if origin in edge.cors_origins:
        return ((b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin"), readable)
    return ((b"vary", b"Origin"),)

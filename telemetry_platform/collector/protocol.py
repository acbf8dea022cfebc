"""The server's HTTP protocol, with bounds on a request's head and on connections, and nothing to upgrade to."""

import asyncio
import logging
import re
import resource

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from telemetry_platform.collector import metrics
from telemetry_platform.settings import Limits

log = logging.getLogger(__name__)

LARGEST_HEAD_BYTES = 64 * 1024
RESERVED_DESCRIPTORS = 128
"""File descriptors kept for Kafka, the log, and the files of the registry."""

_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_NO_UPGRADE = b"\r\nx-upgrade-not-taken:"
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHttpProtocol(HttpToolsProtocol):
    """Refuses with 400 a head over `LARGEST_HEAD_BYTES`: the parser below has no bound, and copies what it holds.

    A head must be there `head_seconds` after the connection was opened or, on one that is kept alive, after the
    head's first bytes: half a head would hold its connection for ever. So must the rest of a body whose answer
    is already given. A connection beyond `most_connections` is answered 503 and closed.

    An offer to go on in another protocol (`Upgrade: h2c` is what Java's client sends with its first request) is
    made unreadable: the parser would stop at the end of the head, and the events in the body would be lost.
    """

    head_seconds: float = Limits.head_seconds
    most_connections: int = Limits.connections

    in_head = True
    has_begun = False
    head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it when there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            metrics.CLOSED.labels("too_many").inc()
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_deadline()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        self.has_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting: limits of the body are the application's."""
        self.in_head = self.has_begun = False
        self._end_deadline()
        # Armed anew below where an answer went out before its request had arrived whole.
        self._unset_keepalive_if_required()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Count again: what follows is the next request's head."""
        super().on_message_complete()
        self.in_head, self.head_bytes = True, 0
        self._end_deadline()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Go on with the next request; what is left of this one's body must come soon."""
        super().on_response_complete()
        if not self.in_head and self.cycle.response_complete and not self.transport.is_closing():
            self._start_deadline()

    def data_received(self, data: bytes) -> None:
        """Take what arrived on the connection."""
        if self.transport.is_closing():
            return
        if self.in_head:
            self.head_bytes += len(data)
            if self.head_bytes > LARGEST_HEAD_BYTES:
                head = data.partition(b"\r\n\r\n")[0]
                if self.head_bytes - len(data) + len(head) > LARGEST_HEAD_BYTES:
                    self.send_400_response("The head of the request is too large.")
                    return
            if b"pgrade:" in data or b"PGRADE:" in data:
                data = _without_upgrade(data)
        super().data_received(data)
        if self.in_head and (self.has_begun or self.head_bytes):
            self._start_deadline()

    def _start_deadline(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.head_seconds, self._on_deadline)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # A request before this one is being answered, and reading may have paused for it.
            self._start_deadline()
            return
        metrics.CLOSED.labels("slow_head" if self.in_head else "slow_body").inc()
        if self.in_head and self.has_begun:
            self.transport.write(_SLOW)
        self.transport.close()


def bounded_protocol(limits: Limits) -> type[BoundedHttpProtocol]:
    """Return the protocol with these limits; its connections leave the process some file descriptors."""
    wanted = {"head_seconds": limits.head_seconds, "most_connections": most_connections(limits.connections)}
    return type("BoundedHttpProtocol", (BoundedHttpProtocol,), wanted)


def most_connections(wanted: int) -> int:
    """Return `wanted`, or what the process's limit of open files leaves room for; says so in the log."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    possible = wanted if descriptors == resource.RLIM_INFINITY else max(1, descriptors - RESERVED_DESCRIPTORS)
    if possible < wanted:
        log.warning("event=fewer_connections wanted=%d possible=%d reason=limit of open files", wanted, possible)
    return min(wanted, possible)


def _without_upgrade(data: bytes) -> bytes:
    head, end, body = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(_NO_UPGRADE, head) + end + body

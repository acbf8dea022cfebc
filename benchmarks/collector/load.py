"""A load generator over kept-alive raw sockets: one thread, no HTTP library, next to no CPU."""

import random
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

ANSWER_SECONDS = 30


class LoadError(Exception):
    """A server did not acknowledge what it was sent, or not in time."""


@dataclass
class _Connection:
    socket: socket.socket
    received: bytes = b""
    began: float = 0.0


@dataclass(frozen=True)
class Window:
    """What was acknowledged in a span of time; latencies in seconds, in the order of the answers."""

    seconds: float
    requests: int
    latencies: list[float] = field(repr=False)

    def latency_ms(self, share: float) -> float:
        """Milliseconds that `share` of the requests stayed within."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


class LoadGenerator:
    """Keeps `connections` open to one server, between windows too; every answer has to be a full 202."""

    def __init__(self, port: int, requests: Iterator[bytes], *, connections: int) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._free: deque[_Connection] = deque()
        self._busy = 0
        for _ in range(connections):
            connection = _Connection(socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS))
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            self._free.append(connection)

    def __enter__(self) -> "LoadGenerator":
        """Return the generator with its connections open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the answers that are still to come, then close."""
        while self._busy:
            self._collect(ANSWER_SECONDS, [])
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()
        self._selector.close()

    def saturate(self, seconds: float) -> Window:
        """Send on every connection as soon as its answer is there (closed loop)."""
        latencies: list[float] = []
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            while self._free:
                self._send(self._free.popleft(), time.perf_counter())
            self._collect(ANSWER_SECONDS, latencies)
        return Window(time.perf_counter() - start, len(latencies), latencies)

    def pace(self, rate: float, seconds: float) -> Window:
        """Send `rate` requests a second at random moments, whatever the server does (open loop).

        A latency counts from the moment the request was due: what waits for a connection waits.
        """
        dice = random.Random(0)
        latencies: list[float] = []
        due: deque[float] = deque()
        start = now = time.perf_counter()
        next_at = start + dice.expovariate(rate)
        while now < start + seconds:
            while next_at <= now:
                due.append(next_at)
                next_at += dice.expovariate(rate)
            while due and self._free:
                self._send(self._free.popleft(), due.popleft())
            self._collect(max(0.0, next_at - time.perf_counter()), latencies)
            now = time.perf_counter()
        return Window(now - start, len(latencies), latencies)

    def _send(self, connection: _Connection, began: float) -> None:
        connection.began, connection.received = began, b""
        connection.socket.sendall(next(self._requests))
        self._busy += 1

    def _collect(self, timeout: float, latencies: list[float]) -> None:
        ready = self._selector.select(timeout)
        if not ready and timeout == ANSWER_SECONDS:
            raise LoadError(f"no answer in {ANSWER_SECONDS} s")
        for key, _ in ready:
            connection: _Connection = key.data
            connection.received += connection.socket.recv(65536)
            if _is_whole(connection.received):
                latencies.append(time.perf_counter() - connection.began)
                self._busy -= 1
                self._free.append(connection)


def _is_whole(answer: bytes) -> bool:
    if not answer.startswith(b"HTTP/1.1 202"):
        raise LoadError(f"not acknowledged: {answer[:500]!r}")
    if not answer.endswith(b"}"):
        return False
    if b'"rejected":[]}' not in answer:
        raise LoadError(f"events were rejected: {answer[-500:]!r}")
    return True

"""Requests byte by byte: what no well-behaved HTTP library would send, and the answer to it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Reply:
    """An answer as it came: `headers` with lower-case names, `document` None when the body is no JSON."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body, parsed."""
        with suppress(ValueError):
            return json.loads(self.body)
        return None


@dataclass(frozen=True)
class Target:
    """Where a case is sent, and the keys it may use."""

    port: int
    write_key: str
    import_key: str
    other_key: str

    def keyed(self, text: str) -> str:
        """Fill the keys in: a case is written down before they are made."""
        names = {"WRITE": self.write_key, "IMPORT": self.import_key, "OTHER": self.other_key}
        for name, key in names.items():
            text = text.replace(f"<{name}>", key)
        return text


Send = Callable[[Target], Reply | None]


@dataclass(frozen=True)
class Request:
    """A request with chosen head lines; Content-Length is added unless the case writes its own framing."""

    body: bytes | Callable[[], bytes] = b""
    path: str = "/v1/events"
    method: str = "POST"
    key: str = "Bearer <WRITE>"
    headers: tuple[str, ...] = ()
    has_length: bool = True
    pieces: int = 1
    pause_seconds: float = 0.0
    version: str = "HTTP/1.1"
    chunk_bytes: int | None = None

    def __call__(self, target: Target) -> Reply | None:
        """Send it, and return the answer; None when the connection ended without one."""
        body = self.body() if callable(self.body) else self.body
        lines = [f"{self.method} {self.path} {self.version}", "Host: 127.0.0.1", *self.headers]
        if self.key:
            lines.append(f"Authorization: {target.keyed(self.key)}")
        if self.chunk_bytes is not None:
            lines.append("Transfer-Encoding: chunked")
            body = _chunked(body, self.chunk_bytes)
        elif self.has_length:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        if self.pieces == 1:
            return exchange(target, [head + body], head_only=self.method == "HEAD")
        size = max(1, len(body) // self.pieces)
        parts = [head, *(body[at : at + size] for at in range(0, len(body), size))]
        return exchange(target, parts, pause_seconds=self.pause_seconds)


def exchange(
    target: Target,
    parts: Iterable[bytes],
    *,
    pause_seconds: float = 0.0,
    half_close: bool = False,
    head_only: bool = False,
) -> Reply | None:
    """Write `parts` with a pause after each while the answer is read: a server may answer before it has read all."""
    with socket.create_connection(("127.0.0.1", target.port), timeout=ANSWER_SECONDS) as connection:
        answered = threading.Event()

        def write() -> None:
            # A server that has answered closes: what is still being written then fails, and that is fine.
            with suppress(OSError):
                for part in parts:
                    connection.sendall(part)
                    if pause_seconds and answered.wait(pause_seconds):
                        return
                if half_close:
                    connection.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        try:
            return _read_reply(connection, head_only=head_only)
        finally:
            answered.set()
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            writer.join(ANSWER_SECONDS)


def hang_up_after(part: bytes, *, declared: int) -> Send:
    """Begin a body of `declared` bytes, send `part` of it and go away."""

    def send(target: Target) -> None:
        with socket.create_connection(("127.0.0.1", target.port), timeout=ANSWER_SECONDS) as connection:
            head = f"POST /v1/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {target.write_key}\r\n"
            connection.sendall(f"{head}Content-Length: {declared}\r\n\r\n".encode() + part)

    return send


def raw(data: bytes, *, half_close: bool = False) -> Send:
    """Send bytes that are no request of `Request`'s shape; `<WRITE>` stands for the key."""

    def send(target: Target) -> Reply | None:
        return exchange(target, [data.replace(b"<WRITE>", target.write_key.encode())], half_close=half_close)

    return send


def endless(start: bytes, block: bytes, *, blocks: int) -> Send:
    """Send `start` and then `blocks` times `block`, without an end."""

    def send(target: Target) -> Reply | None:
        return exchange(target, (start, *(block for _ in range(blocks))), half_close=True)

    return send


def _chunked(body: bytes, size: int) -> bytes:
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def _read_reply(connection: socket.socket, *, head_only: bool) -> Reply | None:
    data = b""
    deadline = time.monotonic() + ANSWER_SECONDS
    try:
        while True:
            reply = _parse(data, head_only=head_only)
            if reply is not None:
                return reply
            assert time.monotonic() < deadline, f"no answer in {ANSWER_SECONDS} s; so far: {data[:200]!r}"
            received = connection.recv(65536)
            if not received:
                return None
            data += received
    except ConnectionError:
        return None


def _parse(data: bytes, *, head_only: bool) -> Reply | None:
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    status_line, *lines = head.decode("latin-1").split("\r\n")
    status = int(status_line.split(" ")[1])
    if status == 100:
        return _parse(rest, head_only=head_only)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = 0 if head_only else int(headers.get("content-length", "0"))
    if headers.get("transfer-encoding") == "chunked" and not head_only:
        return Reply(status, headers, rest) if rest.endswith(b"0\r\n\r\n") else None
    return Reply(status, headers, rest[:length]) if len(rest) >= length else None

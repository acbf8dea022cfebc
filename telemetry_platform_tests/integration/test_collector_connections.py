"""Connections to the collector's protocol, over real sockets: none is held by what never arrives."""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn

from telemetry_platform.collector import metrics
from telemetry_platform.collector.protocol import RESERVED_DESCRIPTORS, BoundedHttpProtocol, most_connections

HEAD_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 2
WHOLE = b"GET /whole HTTP/1.1\r\nHost: x\r\n\r\n"
EARLY = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


class Quick(BoundedHttpProtocol):
    """The protocol with limits a test can wait for."""

    head_seconds = HEAD_SECONDS
    most_connections = 20


async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer at once on /early; elsewhere when the body is there."""
    if scope["path"] != "/early":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(
        answer, http=Quick, lifespan="off", log_level="error", timeout_keep_alive=KEEP_ALIVE_SECONDS, ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        yield connection


def seconds_until_closed(connection: socket.socket) -> tuple[float, bytes]:
    """Read until the server closes; returns how long that took and what came."""
    started, got = time.monotonic(), b""
    try:
        while part := connection.recv(65536):
            got += part
    except ConnectionResetError:
        pass
    return time.monotonic() - started, got


def drip(connection: socket.socket, head: bytes) -> None:
    for byte in head:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def closed(reason: str) -> float:
    return metrics.CLOSED.labels(reason)._value.get()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"P", b"408"),
        (b"GET /", b"408"),
        (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Long: a", b"408"),
        (b"POST /v1/events HTTP/1.1\r\nHost: x\r\n", b"408"),
    ],
)
def test_a_connection_without_a_whole_head_is_closed_in_time(port: int, sent: bytes, status: bytes):
    before = closed("slow_head")
    with connected(port) as connection:
        connection.sendall(sent)
        seconds, got = seconds_until_closed(connection)
    assert seconds < HEAD_SECONDS + 1
    assert got[9:12] == status
    assert closed("slow_head") == before + 1


def test_a_head_that_drips_is_closed_as_if_it_stood_still(port: int):
    with connected(port) as connection:
        started = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            drip(connection, b"GET / HTTP/1.1\r\nX-Drip: " + b"a" * 1000)
        assert time.monotonic() - started < HEAD_SECONDS + 2


@pytest.mark.parametrize("sent", [b"G", b"\r\n", b"GET / HTTP/1.1\r\n"])
@pytest.mark.parametrize("is_one_piece", [True, False])
def test_half_a_head_after_a_whole_request_is_closed_in_time_too(port: int, sent: bytes, is_one_piece: bool):
    with connected(port) as connection:
        if is_one_piece:
            connection.sendall(WHOLE + sent)
        else:
            connection.sendall(WHOLE)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.sendall(sent)
        seconds, _ = seconds_until_closed(connection)
    # Of one piece, a line end alone is passed over by the parser: the connection is idle, and closed as such.
    assert seconds < (KEEP_ALIVE_SECONDS if is_one_piece and sent == b"\r\n" else HEAD_SECONDS) + 1


def test_an_idle_connection_is_kept_as_long_as_before_and_can_be_used_again(port: int):
    with connected(port) as connection:
        for _ in range(2):
            connection.sendall(WHOLE)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(HEAD_SECONDS * 2)
        seconds, got = seconds_until_closed(connection)
    assert KEEP_ALIVE_SECONDS - HEAD_SECONDS * 2 - 0.5 < seconds < KEEP_ALIVE_SECONDS + 1
    assert got == b""


def test_a_slow_body_is_the_applications_to_judge(port: int):
    with connected(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
        for byte in (b"a", b"b", b"c"):
            time.sleep(HEAD_SECONDS)
            connection.sendall(byte)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", b"12345"])
def test_a_body_that_never_ends_after_its_answer_is_closed_in_time(port: int, sent: bytes):
    with connected(port) as connection:
        connection.sendall(EARLY)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(sent)
        seconds, _ = seconds_until_closed(connection)
    assert seconds < HEAD_SECONDS + 1


def test_a_body_that_ends_after_its_answer_leaves_a_connection_that_can_be_used_and_ends_when_idle(port: int):
    with connected(port) as connection:
        connection.sendall(EARLY)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"1234567890")
        time.sleep(HEAD_SECONDS * 2)
        connection.sendall(WHOLE)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(EARLY)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"1234567890")
        seconds, _ = seconds_until_closed(connection)
    assert KEEP_ALIVE_SECONDS - 0.5 < seconds < KEEP_ALIVE_SECONDS + 1


def test_a_connection_too_many_is_answered_503_and_the_others_go_on(port: int):
    before = closed("too_many")
    with ExitStack() as opened:
        held = [opened.enter_context(connected(port)) for _ in range(Quick.most_connections)]
        for connection in held:
            connection.sendall(WHOLE)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        with connected(port) as one_more:
            assert seconds_until_closed(one_more)[1].startswith(b"HTTP/1.1 503")
        held[0].sendall(WHOLE)
        assert held[0].recv(65536).startswith(b"HTTP/1.1 200")
    assert closed("too_many") == before + 1
    deadline = time.monotonic() + 10
    while True:
        with connected(port) as later:
            later.sendall(WHOLE)
            if later.recv(65536).startswith(b"HTTP/1.1 200"):
                break
        assert time.monotonic() < deadline, "the places of closed connections were never given to others"


def test_connections_leave_the_process_some_file_descriptors(caplog: pytest.LogCaptureFixture):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        assert most_connections(500) == 500
        assert most_connections(4000) == 1024 - RESERVED_DESCRIPTORS
        assert "limit of open files" in caplog.text
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

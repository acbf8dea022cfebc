"""The client against a real HTTP server that answers what the test says."""

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from telemetry_platform.client import Answer, Rejected, TelemetryClient
from telemetry_platform.errors import CollectorError

TAKEN = (202, {"accepted": 1, "rejected": []}, {})
BUSY = (503, {"error_type": "unavailable", "error_message": "later"}, {})
Script = list[tuple[int, Any, dict[str, str]]]


class Served:
    """Address, planned answers and requests of a server; when the plan is over, it takes everything."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.script: Script = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.peers: set[Any] = set()
        self.times: list[float] = []

    def requests(self) -> list[Any]:
        return [json.loads(body) for body in list(self.bodies)]

    def event_ids(self) -> list[str]:
        return [event["event_id"] for request in self.requests() for event in request["events"]]

    def client(self, **options: Any) -> TelemetryClient:
        return TelemetryClient(self.url, "the-key", **options)


@contextmanager
def serve(port: int = 0) -> Iterator[Served]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        log_message: Callable[..., None] = lambda *_: None

        def do_POST(self) -> None:
            served.bodies.append(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))))
            served.headers.append(dict(self.headers))
            served.peers.add(self.client_address)
            served.times.append(time.monotonic())
            taken = (202, {"accepted": len(served.requests()[-1]["events"]), "rejected": []}, {})
            status, document, headers = served.script.pop(0) if served.script else taken
            data = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    listener = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    listener.daemon_threads = True
    served = Served(f"http://127.0.0.1:{listener.server_port}")
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


@pytest.fixture
def server() -> Iterator[Served]:
    with serve() as served:
        yield served


def test_encoded_events_go_out_byte_for_byte_beside_dicts(server: Served):
    server.script = [TAKEN]
    server.client().send([b'{"a":  1.50}', {"b": 2}], sent_ts=datetime(2026, 11, 23, 12, tzinfo=UTC))
    prefix, _, events = server.bodies[0].partition(b'","events":')
    assert prefix.startswith(b'{"sent_ts":"2026-11-23T12:00:00.')
    assert events == b'[{"a":  1.50},{"b":2}]}'
    assert server.headers[0]["Authorization"] == "Bearer the-key"


def test_the_answer_says_what_was_rejected(server: Served):
    rejected = {"index": 1, "error_type": "too_late", "error_message": "old"}
    server.script = [(202, {"accepted": 1, "rejected": [rejected]}, {})]
    assert server.client().send([b"{}", b"{}"]) == Answer(1, (Rejected(1, "too_late", "old"),))
    assert server.bodies == [b'{"events":[{},{}]}']


def test_a_busy_collector_gets_the_same_events_again_with_a_new_sent_ts(server: Served):
    server.script = [BUSY, (429, {}, {"Retry-After": "0"}), TAKEN]
    server.client().send([b'{"event_id":"1"}'], sent_ts=datetime(2026, 11, 23, 12, tzinfo=UTC))
    sent = [json.loads(body) for body in server.bodies]
    assert [body["events"] for body in sent] == [[{"event_id": "1"}]] * 3
    stamps = [body["sent_ts"] for body in sent]
    assert stamps == sorted(set(stamps))


def test_one_connection_serves_many_batches(server: Served):
    server.script = [TAKEN] * 3
    client = server.client()
    for _ in range(3):
        client.send([b"{}"])
    assert len(server.peers) == 1


def test_a_refusal_is_not_repeated_and_carries_the_reason(server: Served):
    server.script = [(401, {"error_type": "unknown_key", "error_message": "The key is unknown."}, {})]
    with pytest.raises(CollectorError, match=r"401: unknown_key: The key is unknown\."):
        server.client().send([b"{}"])
    assert len(server.bodies) == 1


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_what_a_proxy_says_while_the_collector_is_away_is_no_refusal(server: Served, status: int):
    server.script = [(status, b"<html>", {}), TAKEN]
    assert server.client().send([b"{}"]) == Answer(1, ())


def test_a_retry_after_may_be_a_date(server: Served):
    server.script = [(503, {}, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"})]
    with pytest.raises(CollectorError, match="did not take the batch within 5 s"):
        server.client(retry_seconds=5).send([b"{}"])


def test_a_wait_that_is_longer_than_the_patience_ends_at_once(server: Served):
    server.script = [(503, {}, {"Retry-After": "60"})]
    with pytest.raises(CollectorError, match="did not take the batch within 5 s"):
        server.client(retry_seconds=5).send([b"{}"])


def test_a_collector_that_is_not_there_is_named(server: Served):
    with pytest.raises(CollectorError, match="telemetry status"):
        TelemetryClient("http://127.0.0.1:9", "key", retry_seconds=0.3).send([b"{}"])


@pytest.mark.parametrize("document", [b"<html>", {"hello": 1}])
def test_an_answer_of_another_server_is_recognised(server: Served, document: Any):
    server.script = [(200, document, {})]
    with pytest.raises(CollectorError, match="not a collector's"):
        server.client().send([b"{}"])


def test_a_sent_ts_without_zone_is_refused(server: Served):
    with pytest.raises(CollectorError, match="time zone"):
        server.client().send([b"{}"], sent_ts=datetime(2026, 11, 23))

"""The queueing client: batches, retries, the spool and its bounds, against a real HTTP server."""

import json
import logging
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from telemetry_platform.client import EventQueue, QueueCounts, QueueOptions, RejectedEvent
from telemetry_platform.errors import CollectorError
from telemetry_platform_tests.integration.own_stack import free_ports
from telemetry_platform_tests.unit.test_client import BUSY, Served, serve, server

__all__ = ["server"]

NEVER = 3600.0
UNKNOWN_KEY = (401, {"error_type": "unknown_key", "error_message": "The key is unknown."}, {})


def queue_to(server: Served | str, spool: Path | None = None, on_rejected: Any = None, **options: Any) -> EventQueue:
    """A queue that sends when it is told to, and soon again."""
    chosen = {"flush_interval_seconds": NEVER, "first_pause_seconds": 0.02, "longest_pause_seconds": 0.1} | options
    url = server if isinstance(server, str) else server.url
    return EventQueue(url, "the-key", spool=spool, options=QueueOptions(**chosen), on_rejected=on_rejected)


def track(queue: EventQueue, count: int, **properties: Any) -> list[str]:
    return [queue.track("heartbeat", player_id="p-1", properties=properties or None) for _ in range(count)]


def wait_until(is_so: Callable[[], Any], state: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"after {seconds} s: {state()}"
        time.sleep(0.005)


def segments(spool: Path) -> list[str]:
    return sorted(path.name for path in spool.glob("*.jsonl"))


def test_an_event_gets_an_id_a_time_and_the_defaults(server: Served):
    before = datetime.now(UTC)
    with EventQueue(server.url, "the-key", defaults={"platform": "server", "build_version": "1.4"}) as queue:
        event_id = queue.track("level_started", player_id="p-1", properties={"level": "L1"}, platform="ios")
    (request,) = server.requests()
    (event,) = request["events"]
    created, sent = datetime.fromisoformat(event.pop("created_ts")), datetime.fromisoformat(request["sent_ts"])
    assert before <= created <= sent <= datetime.now(UTC)
    assert uuid.UUID(event_id).version == 4
    assert event == {
        "event_id": event_id,
        "event_name": "level_started",
        "event_version": 1,
        "player_id": "p-1",
        "platform": "ios",
        "build_version": "1.4",
        "properties": {"level": "L1"},
    }
    assert server.headers[0]["Authorization"] == "Bearer the-key"


def test_a_batch_is_closed_by_count_by_bytes_and_by_a_flush(server: Served):
    with queue_to(server, batch_events=3, batch_bytes=1500) as queue:
        track(queue, 7)
        assert queue.flush()
        assert [len(request["events"]) for request in server.requests()] == [3, 3, 1]
        track(queue, 3, note="x" * 1000)
        assert queue.flush()
        assert [len(request["events"]) for request in server.requests()][3:] == [2, 1]


def test_a_batch_is_closed_by_age_without_a_flush(server: Served):
    with queue_to(server, flush_interval_seconds=0.05) as queue:
        ids = track(queue, 2)
        wait_until(lambda: server.event_ids() == ids, server.event_ids)


def test_a_busy_collector_gets_the_same_events_again_stamped_anew_and_not_before_it_asked(server: Served):
    server.script = [BUSY, (429, {}, {"Retry-After": "1"})]
    with queue_to(server) as queue:
        ids = track(queue, 2)
        assert queue.flush()
        assert queue.flush()
    requests = server.requests()
    assert [[event["event_id"] for event in request["events"]] for request in requests] == [ids] * 3
    stamps = [request["sent_ts"] for request in requests]
    assert stamps == sorted(set(stamps))
    assert server.times[2] - server.times[1] >= 1.0


@pytest.mark.parametrize("with_spool", [True, False])
def test_after_an_outage_everything_arrives_once(tmp_path: Path, with_spool: bool):
    (port,) = free_ports(1)
    with queue_to(f"http://127.0.0.1:{port}", tmp_path if with_spool else None, batch_events=10) as queue:
        ids = track(queue, 95)
        assert not queue.flush(0.2)
        assert len(segments(tmp_path)) == (10 if with_spool else 0)
        with serve(port) as server:
            assert queue.flush(20)
            assert server.event_ids() == ids
            assert queue.counts == QueueCounts(tracked=95, accepted=95)
    assert segments(tmp_path) == []


@pytest.mark.parametrize("answer", [(200, b"<html>a hotel's page", {}), (202, {"accepted": 0, "rejected": []}, {})])
def test_an_answer_that_is_not_a_collectors_loses_nothing(server: Served, answer: Any):
    server.script = [answer]
    with queue_to(server) as queue:
        track(queue, 2)
        assert queue.flush()
        assert queue.counts.accepted == 2


def test_rejected_events_are_reported_and_a_callback_that_fails_stops_nothing(server: Served, caplog: Any):
    rejected = {"index": 1, "error_type": "schema_violation", "error_message": "/properties/level: missing"}
    server.script = [(202, {"accepted": 1, "rejected": [rejected]}, {})]
    seen: list[RejectedEvent] = []

    def on_rejected(event: RejectedEvent) -> None:
        seen.append(event)
        raise ValueError("the caller's fault")

    with queue_to(server, on_rejected=on_rejected) as queue:
        ids = track(queue, 2)
        assert queue.flush()
        track(queue, 1)
        assert queue.flush()
        assert queue.counts == QueueCounts(tracked=3, accepted=2, rejected=1)
    assert [(json.loads(one.event)["event_id"], one.error_type, one.error_message) for one in seen] == [
        (ids[1], "schema_violation", "/properties/level: missing")
    ]
    assert f"event=event_rejected event_id={ids[1]} error_type=schema_violation" in caplog.text


def test_a_refused_batch_is_put_aside_with_its_reason_and_can_be_sent_again(server: Served, tmp_path: Path):
    server.script = [UNKNOWN_KEY]
    with queue_to(server, tmp_path, batch_events=2) as queue:
        ids = track(queue, 3)
        assert queue.flush()
        assert queue.counts == QueueCounts(tracked=3, accepted=1, refused=2)
        (aside,) = (tmp_path / "refused").glob("*.jsonl")
        assert [json.loads(line)["event_id"] for line in aside.read_text().splitlines()] == ids[:2]
        note = json.loads(aside.with_suffix(".json").read_text())
        assert (note["status"], "unknown_key" in note["reason"]) == (401, True)
        assert queue.resend_refused() == 2
        assert queue.flush()
        assert queue.counts == QueueCounts(found=2, tracked=3, accepted=3, refused=2)
    assert server.event_ids() == ids[:2] + ids[2:] + ids[:2]
    assert list((tmp_path / "refused").iterdir()) == []


def test_an_event_that_is_too_large_does_not_cost_its_neighbours(tmp_path: Path):
    with serve() as server, queue_to(server, tmp_path) as queue:
        server.script = [(413, {"error_type": "event_too_large", "error_message": "Event 2"}, {})] * 3
        ids = track(queue, 4)
        assert queue.flush()
        # Refused: all four, then the first two, then the first alone; the second and the other half are taken.
        assert queue.counts == QueueCounts(tracked=4, accepted=3, refused=1)
        assert server.event_ids()[-3:] == ids[1:]
        assert len(list((tmp_path / "refused").glob("*.jsonl"))) == 1


def test_a_full_spool_lets_the_oldest_go_and_says_so(tmp_path: Path, caplog: Any):
    (port,) = free_ports(1)
    with queue_to(f"http://127.0.0.1:{port}", tmp_path, batch_events=1, disk_bytes=5 * 4096) as queue:
        ids = track(queue, 12)
        queue.flush(0)
        # The one that is being sent is held.
        assert queue.counts.dropped == 7
        assert len(segments(tmp_path)) == 5
        with serve(port) as server:
            assert queue.flush(20)
            assert server.event_ids()[-4:] == ids[-4:]
        assert queue.counts == QueueCounts(tracked=12, accepted=5, dropped=7)
    assert caplog.text.count("event=queue_full dropped=1") == 7


def test_a_queue_without_a_spool_is_bounded_in_memory(caplog: Any):
    (port,) = free_ports(1)
    queue = queue_to(f"http://127.0.0.1:{port}", batch_events=10, memory_bytes=20_000)
    track(queue, 1000, note="x" * 100)
    queue.flush(0)
    assert queue.counts.waiting * 300 < 25_000
    assert queue.counts.dropped == 1000 - queue.counts.waiting
    waiting = queue.counts.waiting
    assert queue.close(timeout=0).waiting == waiting
    assert f"event=queue_closed lost={waiting}" in caplog.text


def test_a_folder_that_cannot_be_written_is_no_reason_to_lose_events(server: Served, tmp_path: Path, caplog: Any):
    spool = tmp_path / "spool"
    with queue_to(server, spool) as queue:
        shutil.rmtree(spool)
        ids = track(queue, 3)
        assert queue.flush()
    assert server.event_ids() == ids
    assert "event=spool_failed events=3 kept=memory" in caplog.text


def test_one_folder_is_one_queues(server: Served, tmp_path: Path):
    with queue_to(server, tmp_path), pytest.raises(CollectorError, match="folder of its own"):
        queue_to(server, tmp_path)
    queue_to(server, tmp_path).close()


def test_what_a_process_left_half_written_is_not_sent_and_its_numbers_are_not_used_again(
    server: Served, tmp_path: Path
):
    (tmp_path / "000000000007.2.jsonl.tmp").write_text('{"event_id":"half')
    (tmp_path / "000000000006.1.jsonl").write_text('{"event_id":"left"}\n')
    (tmp_path / "notes.txt").write_text("somebody's")
    with queue_to(server, tmp_path) as queue:
        (tracked,) = track(queue, 1)
        assert queue.flush()
        assert queue.counts == QueueCounts(found=1, tracked=1, accepted=2)
    assert server.event_ids() == ["left", tracked]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "notes.txt", "refused"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "belongs to nobody"),
        ({"player_id": "p", "properties": {"level": object()}}, "cannot be written as JSON"),
        ({"player_id": "\ud800"}, "cannot be written as JSON"),
        ({"player_id": "p", "properties": {"note": "x" * 40_000}}, "bytes: 32768 are taken"),
        ({"player_id": "p", "created_ts": datetime(2026, 11, 23)}, "no time zone"),
    ],
)
def test_an_event_that_no_collector_would_take_is_refused_where_it_is_made(
    server: Served, arguments: dict[str, Any], reason: str
):
    with queue_to(server) as queue, pytest.raises(CollectorError, match=reason):
        queue.track("heartbeat", **arguments)
    assert queue.counts == QueueCounts()


def test_a_closed_queue_and_an_address_that_is_none_are_refused(server: Served):
    queue = queue_to(server)
    queue.close()
    with pytest.raises(CollectorError, match="closed"):
        track(queue, 1)
    for url in ("", "collector:8080", "ftp://x", "http://"):
        with pytest.raises(CollectorError, match="no address"):
            EventQueue(url, "the-key")


def test_events_of_many_threads_all_arrive_once(server: Served, tmp_path: Path):
    with queue_to(server, tmp_path, batch_events=100) as queue:
        made: list[list[str]] = []
        threads = [threading.Thread(target=lambda: made.append(track(queue, 500))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert queue.flush(30)
        assert queue.counts == QueueCounts(tracked=4000, accepted=4000)
    assert sorted(server.event_ids()) == sorted(event_id for ids in made for event_id in ids)


def test_a_created_time_and_an_id_can_be_given(server: Served):
    day = datetime(2026, 11, 23, 2, tzinfo=UTC) + timedelta(microseconds=1)
    with queue_to(server) as queue:
        queue.track("install", device_id="d-1", created_ts=day, event_id="7f0c2a56-4a53-4f0e-9a57-4a1f5f3f7f10")
    (event,) = server.requests()[0]["events"]
    assert (event["event_id"], event["created_ts"], event["device_id"]) == (
        "7f0c2a56-4a53-4f0e-9a57-4a1f5f3f7f10",
        "2026-11-23T02:00:00.000001Z",
        "d-1",
    )


SENDER = """
import sys
from telemetry_platform.client import EventQueue, QueueOptions
queue = EventQueue(sys.argv[1], "k", spool=sys.argv[2] or None, options=QueueOptions(flush_interval_seconds=3600))
for _ in range(100):
    print(queue.track("heartbeat", player_id="p-1"))
"""


def test_events_are_delivered_when_the_process_just_ends(server: Served):
    done = subprocess.run([sys.executable, "-c", SENDER, server.url, ""], capture_output=True, text=True, check=True)
    assert server.event_ids() == done.stdout.split()


def test_kill_9_loses_what_is_younger_than_the_flush_and_nothing_else(tmp_path: Path):
    (port,) = free_ports(1)
    url, spool = f"http://127.0.0.1:{port}", tmp_path / "spool"
    script = f"""{SENDER}
queue.flush(0)
print("durable")
queue.track("heartbeat", player_id="p-1")
print("end", flush=True)
sys.stdin.read()
"""
    sender = subprocess.Popen(
        [sys.executable, "-c", script, url, str(spool)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sender.stdout is not None
    lines = [line.strip() for line in iter(sender.stdout.readline, "end\n")]
    sender.send_signal(signal.SIGKILL)
    assert sender.wait(20) == -signal.SIGKILL
    with serve(port) as server, queue_to(server, spool) as queue:
        assert queue.flush(20)
        assert server.event_ids() == lines[: lines.index("durable")]
        assert queue.counts == QueueCounts(found=100, accepted=100)


@pytest.fixture(autouse=True)
def _all_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

"""The streaming job as a real process against a real broker: killed while it writes, and fed what anybody can write."""

import json
import os
import re
import signal
import time
import urllib.request
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from telemetry_platform.contracts.signature import SIGNATURE_HEADER
from telemetry_platform.lake.progress import lag
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.settings import REJECTED_TOPIC, Settings, read_settings
from telemetry_platform_tests.integration.bronze_job import (
    DEADLINE_SECONDS,
    GAME,
    Topic,
    assert_each_offset_once,
    direct,
    environment_on,
    is_caught_up,
    progress_of,
    rows_of,
    run_job,
    stamped,
    wait_until,
)

RECORDS = 20_000
DIRECT = 1_000
# Spark reports a trigger without data after this long, once, with the number of the batch that comes next.
IDLE_REPORT_SECONDS = 11


@pytest.fixture(scope="module")
def environment(stack_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A lake of the module's own over the shared broker."""
    return environment_on(stack_settings, tmp_path_factory.mktemp("stream"))


def test_kill_minus_nine_in_the_middle_of_a_batch_leaves_every_record_in_bronze_exactly_once(
    environment: dict[str, str], tmp_path: Path
):
    settings = read_settings(environment)
    topic = Topic(settings)
    ours = set()
    for number in range(RECORDS):
        events = [stamped(number), *([direct()] if number % (RECORDS // DIRECT) == 0 else [])]
        ours |= {event["event_id"] for event in events}
        topic.signed(events[0])
        for event in events[1:]:
            topic.raw(json.dumps(event).encode())
    topic.flush()
    log = tmp_path / "job.log"

    job = run_job(environment, log)
    wait_until(lambda: (found := progress_of(settings)) and found.batch_id >= 2, "batch 2", log)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    left = lag(end_offsets(settings.kafka), progress_of(settings))
    assert left > 0, "the job was done before it could be killed: nothing was tested"

    again = run_job(environment, log, "--once")
    assert again.wait(DEADLINE_SECONDS) == 0, log.read_text()[-3000:]
    assert_each_offset_once(settings)
    # The topics hold what other tests have sent, too.
    found = rows_of(settings, "event_id", "game_id", "source", "error_type")
    sources = Counter(row[1:] for row in found if row[0] in ours)
    assert sources == {(GAME, "collector", None): RECORDS, (GAME, "direct", None): DIRECT}


def hostile_records(topic: Topic) -> dict[str, str | None]:
    """Write what anybody who may produce could write; the expected error type by event id or game."""
    long_ago = "2020-01-01T00:00:00Z"
    forged = direct(source="collector", received_ts=long_ago, event_ts=long_ago)
    paid = {"transaction_id": "t", "product_id": "g", "price_minor": 10**8 + 1, "currency": "USD"}
    cases: dict[str, tuple[dict[str, Any], str | None]] = {
        "good": (direct(), None),
        "capitals": (direct(event_id=str(uuid.uuid4()).upper()), None),
        "forged source": (forged, None),
        "old, as if imported": (direct(source="import", created_ts=long_ago, sent_ts=forged["created_ts"]), "too_late"),
        "no such game": (direct(game_id="nobody"), "unknown_game"),
        "a path as game": (direct(game_id="../../etc/passwd"), "unknown_game"),
        "a number as game": (direct(game_id=7), "unknown_game"),
        "unknown event": (direct(event_name="teleport"), "unknown_event"),
        "year 1": (direct(created_ts="0001-01-01T00:00:00+01:00"), "schema_violation"),
        "control character": (direct(player_id="a\x1fb"), "schema_violation"),
        "unknown key": (direct(surprise=1), "schema_violation"),
        "no player": ({k: v for k, v in direct().items() if k != "player_id"}, "schema_violation"),
        "sent_ts is no time": (direct(sent_ts="yesterday"), "schema_violation"),
        "too much money": (direct(event_name="purchase", properties=paid), "amount_out_of_range"),
    }
    for document, _ in cases.values():
        topic.raw(json.dumps(document).encode(), headers=[("traceparent", b"1"), ("traceparent", b"2")])
    for value in (None, b"", b"\xff\xfe", b"[]", b"{" * 5000, b'{"game_id":"\\ud800"}', b"1e999"):
        topic.raw(value, headers=[(SIGNATURE_HEADER, b"x"), (SIGNATURE_HEADER, None)])
        topic.raw(
            value, REJECTED_TOPIC, headers=[("received_ts", b"soon"), ("error_type", b"\xff"), ("error_type", b"b")]
        )
    return {document["event_id"].lower(): expected for document, expected in cases.values()}


def test_the_broker_and_not_the_producer_says_when_a_direct_record_was_received(
    environment: dict[str, str], tmp_path: Path
):
    settings = read_settings(environment)
    topic, log = Topic(settings), tmp_path / "job.log"
    events = {stamp: direct() for stamp in (1, 32_503_680_000_000)}
    before = datetime.now(UTC)
    for milliseconds, event in events.items():
        topic.raw(json.dumps(event).encode(), timestamp=milliseconds)
    topic.raw(b"no event", timestamp=1)
    topic.flush()
    assert run_job(environment, log, "--once").wait(DEADLINE_SECONDS) == 0, log.read_text()[-3000:]
    rows = {row[0]: row[1:] for row in rows_of(settings, "event_id", "error_type", "received_ts", "received_date")}
    for event in events.values():
        error, received, day = rows[event["event_id"]]
        assert (error, day) == (None, received.date())
        assert before - timedelta(seconds=2) <= received <= datetime.now(UTC)
    assert min(row[0] for row in rows_of(settings, "received_ts") if row[0]).year == before.year


def metric(settings: Settings, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{settings.bronze_metrics_port}/metrics", timeout=5) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_any_record_gives_one_row_and_the_metric_counts_all_of_them_also_after_a_pause(
    environment: dict[str, str], tmp_path: Path
):
    settings = read_settings(environment)
    before = len(rows_of(settings, "kafka_offset"))
    topic, log = Topic(settings), tmp_path / "job.log"
    job = run_job(environment, log)
    try:
        expected = hostile_records(topic)
        topic.flush()
        wait_until(lambda: is_caught_up(settings), "the hostile records are in bronze", log)
        idle_since = time.monotonic()
        wait_until(lambda: time.monotonic() - idle_since > IDLE_REPORT_SECONDS, "an idle report", log)
        for number in range(3):
            topic.signed(stamped(number))
        topic.raw(json.dumps(direct()).encode())
        topic.flush()
        wait_until(lambda: is_caught_up(settings), "the records after the pause are in bronze", log)
        assert_each_offset_once(settings)
        written = len(rows_of(settings, "kafka_offset")) - before
        wait_until(
            lambda: metric(settings, "telemetry_bronze_rows_total") == written,
            f"the metric counts the {written} rows of this process",
            log,
        )
    finally:
        os.killpg(job.pid, signal.SIGTERM)
        job.wait(DEADLINE_SECONDS)
    found = {row[0]: row[1:] for row in rows_of(settings, "event_id", "error_type", "source", "raw_value") if row[0]}
    assert {event_id: found[event_id][0] for event_id in expected} == expected
    assert {found[event_id][1] for event_id in expected} == {"direct"}
    assert all((found[event_id][2] is None) == (error is None) for event_id, error in expected.items())


def test_a_second_job_on_the_same_lake_is_refused_and_told_who_writes(environment: dict[str, str], tmp_path: Path):
    log, refused = tmp_path / "job.log", tmp_path / "second.log"
    first = run_job(environment, log)
    try:
        wait_until(lambda: "event=started" in log.read_text(), "the first job has started", log)
        second = run_job(environment | {"TELEMETRY_BRONZE_METRICS_PORT": "1"}, refused, "--once")
        assert second.wait(DEADLINE_SECONDS) == 1
        assert re.search(rf"event=refused .*bronze\.events .*\(pid {first.pid} on ", refused.read_text())
        assert first.poll() is None
    finally:
        first.terminate()
        assert first.wait(DEADLINE_SECONDS) == 0


def said(log: Path, event: str) -> int:
    return log.read_text().count(f"event={event} ") if log.exists() else 0


def test_kill_minus_nine_in_the_middle_of_a_compaction_loses_and_doubles_nothing(
    environment: dict[str, str], tmp_path: Path
):
    settings, log = read_settings(environment), tmp_path / "job.log"
    environment = environment | {"TELEMETRY_BRONZE_COMPACT_COMMITS": "2", "TELEMETRY_BRONZE_TRIGGER_SECONDS": "1"}
    topic = Topic(settings)
    for number in range(RECORDS // 4):
        topic.signed(stamped(number))
    topic.flush()
    job = run_job(environment, log)
    wait_until(lambda: said(log, "compacting") > said(log, "compacted"), "a compaction is at work", log)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    assert said(log, "compacting") > said(log, "compacted"), "it was done before it could be killed"

    done = said(log, "compacted")
    job = run_job(environment, log)
    try:
        wait_until(lambda: is_caught_up(settings) and said(log, "compacted") > done, "it catches up and compacts", log)
    finally:
        # The driver alone: it ends its JVM once the query has stopped.
        job.terminate()
        ended = job.wait(DEADLINE_SECONDS)
    assert ended == 0, log.read_text()[-3000:]
    assert "compaction_failed" not in log.read_text()
    assert_each_offset_once(settings)


def test_a_lost_checkpoint_over_a_table_with_rows_is_refused(environment: dict[str, str], tmp_path: Path):
    settings = read_settings(environment)
    checkpoint = Path(settings.checkpoints_dir) / "bronze_events"
    assert checkpoint.exists(), "runs after the test above, on its lake"
    kept = checkpoint.rename(tmp_path / "kept")
    log = tmp_path / "job.log"
    try:
        assert run_job(environment, log, "--once").wait(DEADLINE_SECONDS) == 1
        assert "would write every Kafka record again" in log.read_text()
    finally:
        if not checkpoint.exists():
            kept.rename(checkpoint)

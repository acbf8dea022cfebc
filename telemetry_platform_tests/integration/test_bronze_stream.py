"""The streaming job as a real process against a real broker, killed while it writes."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from telemetry_platform.lake.log import open_table
from telemetry_platform.lake.progress import committed_progress, lag
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.settings import EVENTS_TOPIC, PROJECT_ROOT, REJECTED_TOPIC, Settings, read_settings

RECORDS = 30_000
DEADLINE_SECONDS = 120


@pytest.fixture(scope="module")
def environment(stack_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A lake of the test's own over the shared broker; batches small enough to be killed between and within."""
    return os.environ | {
        "TELEMETRY_HOME": str(tmp_path_factory.mktemp("stream")),
        "TELEMETRY_KAFKA": stack_settings.kafka,
        "TELEMETRY_BRONZE_BATCH_RECORDS": "2000",
        "TELEMETRY_BRONZE_METRICS_PORT": str(stack_settings.bronze_metrics_port),
    }


def produce(bootstrap: str, count: int) -> None:
    AdminClient({"bootstrap.servers": bootstrap}).create_topics(
        [NewTopic(EVENTS_TOPIC, 4), NewTopic(REJECTED_TOPIC, 4)]
    )
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for number in range(count):
        event = {
            "event_id": str(uuid.uuid4()),
            "event_name": "heartbeat",
            "event_version": 1,
            "created_ts": "2026-11-01T10:00:00Z",
            "event_ts": "2026-11-01T10:00:00Z",
            "received_ts": "2026-11-01T10:00:01Z",
            "source": "collector",
            "game_id": "stream_test",
            "player_id": f"p-{number % 100}",
            "properties": {},
        }
        producer.produce(EVENTS_TOPIC, json.dumps(event).encode(), key=f"stream_test:p-{number % 100}")
        producer.poll(0)
    assert producer.flush(60) == 0


def run_job(environment: dict[str, str], log: Path, *arguments: str) -> subprocess.Popen:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "streaming.bronze_events", *arguments],
            env=environment,
            cwd=PROJECT_ROOT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_for_batches(settings: Settings, count: int, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    checkpoint = f"{settings.checkpoints_dir}/bronze_events"
    while time.monotonic() < deadline:
        progress = committed_progress(checkpoint) if Path(checkpoint).exists() else None
        if progress is not None and progress.batch_id >= count:
            return
        time.sleep(0.02)
    pytest.fail(f"no batch {count} in {DEADLINE_SECONDS} s; the job said:\n{log.read_text()[-3000:]}")


def test_kill_minus_nine_in_the_middle_of_a_batch_leaves_every_record_in_bronze_exactly_once(
    environment: dict[str, str], tmp_path: Path
):
    settings = read_settings(environment)
    produce(settings.kafka, RECORDS)
    ends = end_offsets(settings.kafka)
    log = tmp_path / "job.log"

    job = run_job(environment, log)
    wait_for_batches(settings, 2, log)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    left = lag(ends, committed_progress(f"{settings.checkpoints_dir}/bronze_events"))
    assert left > 0, "the job was done before it could be killed: nothing was tested"

    again = run_job(environment, log, "--once")
    assert again.wait(DEADLINE_SECONDS) == 0, log.read_text()[-3000:]

    table = open_table(settings.lake, "bronze.events")
    assert table is not None
    columns = table.to_pyarrow_dataset().to_table(columns=["kafka_topic", "kafka_partition", "kafka_offset"])
    rows = Counter(zip(*(columns.column(name).to_pylist() for name in columns.column_names), strict=True))
    expected = {
        (topic, partition, offset)
        for topic, partitions in ends.items()
        for partition, end in partitions.items()
        for offset in range(end)
    }
    assert set(rows) == expected
    assert max(rows.values()) == 1


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

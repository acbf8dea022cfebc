"""The streaming job as a process on a lake of a test's own, over the shared broker's topics."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from telemetry_platform.contracts.signature import SIGNATURE_HEADER, Signer, signing_key
from telemetry_platform.games.registry import add_game
from telemetry_platform.lake.log import open_table
from telemetry_platform.lake.progress import committed_progress, lag
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.settings import EVENTS_TOPIC, PROJECT_ROOT, Settings, read_settings

GAME = "stream_test"
DEADLINE_SECONDS = 120


def environment_on(stack_settings: Settings, home: Path) -> dict[str, str]:
    """Environment of a lake under `home`; batches are small enough to be killed between and within."""
    variables = os.environ | {
        "TELEMETRY_HOME": str(home),
        "TELEMETRY_KAFKA": stack_settings.kafka,
        "TELEMETRY_BRONZE_BATCH_RECORDS": "2000",
        "TELEMETRY_BRONZE_METRICS_PORT": str(stack_settings.bronze_metrics_port),
    }
    add_game(read_settings(variables), GAME, None)
    return variables


class Topic:
    """Writes to the topics as the collector does, or as anybody could."""

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer({"bootstrap.servers": settings.kafka, "enable.idempotence": True})
        self._sign = Signer(signing_key(settings.keys_dir)).sign

    def signed(self, document: dict[str, Any]) -> None:
        value = json.dumps(document).encode()
        self.raw(value, headers=[(SIGNATURE_HEADER, self._sign(value))])

    def raw(self, value: bytes | None, topic: str = EVENTS_TOPIC, **more: Any) -> None:
        self._producer.produce(topic, value, **more)
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(60) == 0


def direct(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC) - timedelta(minutes=1)
    return {
        "event_id": str(uuid.uuid4()),
        "event_name": "heartbeat",
        "event_version": 1,
        "created_ts": now.isoformat(),
        "game_id": GAME,
        "player_id": "p-1",
        "properties": {},
    } | changes


def stamped(number: int) -> dict[str, Any]:
    return direct(
        created_ts="2026-11-01T10:00:00Z",
        event_ts="2026-11-01T10:00:00Z",
        received_ts="2026-11-01T10:00:01Z",
        source="collector",
        player_id=f"p-{number % 100}",
    )


def run_job(
    environment: dict[str, str], log: Path, *arguments: str, module: str = "streaming.bronze_events"
) -> subprocess.Popen:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment,
            cwd=PROJECT_ROOT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_until(condition: Callable[[], object], what: str, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not in {DEADLINE_SECONDS} s: {what}; the job said:\n{log.read_text()[-3000:]}")
        time.sleep(0.02)


def progress_of(settings: Settings) -> Any:
    checkpoint = f"{settings.checkpoints_dir}/bronze_events"
    return committed_progress(checkpoint) if Path(checkpoint).exists() else None


def is_caught_up(settings: Settings) -> bool:
    progress = progress_of(settings)
    return progress is not None and lag(end_offsets(settings.kafka), progress) == 0


def rows_of(settings: Settings, *columns: str) -> list[tuple]:
    table = open_table(settings.lake, "bronze.events")
    assert table is not None
    found = table.to_pyarrow_dataset().to_table(columns=list(columns))
    return list(zip(*(found.column(name).to_pylist() for name in columns), strict=True))


def assert_each_offset_once(settings: Settings) -> None:
    rows = Counter(rows_of(settings, "kafka_topic", "kafka_partition", "kafka_offset"))
    expected = {
        (topic, partition, offset)
        for topic, partitions in end_offsets(settings.kafka).items()
        for partition, end in partitions.items()
        for offset in range(end)
    }
    assert set(rows) == expected
    assert max(rows.values()) == 1

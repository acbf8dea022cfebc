"""The broker and the streaming job on a machine whose language is Arabic; the other tests' machine speaks Turkish."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from telemetry_platform.lake.log import open_table
from telemetry_platform.local import stack
from telemetry_platform.local.environment import environment_of
from telemetry_platform.settings import EVENTS_TOPIC, PROJECT_ROOT, Settings

# With the extension that writes numbers in Arabic digits.
ARABIC = "-Duser.language=ar -Duser.country=EG -Duser.extensions=u-nu-arab -Dfile.encoding=windows-1256"


def test_an_arabic_machine_starts_the_broker_and_writes_bronze(
    new_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = new_settings(tmp_path)
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", ARABIC)
    stack.up(settings, without=frozenset({"warehouse", "collector", "bronze", "dagster"}))
    try:
        producer = Producer({"bootstrap.servers": settings.kafka})
        producer.produce(EVENTS_TOPIC, json.dumps({"game_id": "لعبة"}).encode())
        assert producer.flush(30) == 0
        job = subprocess.run(
            [sys.executable, "-m", "streaming.bronze_events", "--once"],
            env=environment_of(settings),
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert job.returncode == 0, job.stderr[-3000:]
    finally:
        stack.down(settings)
    table = open_table(settings.lake, "bronze.events")
    assert table is not None
    (row,) = table.to_pyarrow_dataset().to_table(columns=["error_type", "error_message"]).to_pylist()
    assert row["error_type"] == "unknown_game"
    assert "لعبة" in row["error_message"]

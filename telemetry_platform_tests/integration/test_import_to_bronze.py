"""`telemetry import` into a whole stack: what it says of bronze, and waiting for it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from telemetry_platform.cli.query import ask_lake
from telemetry_platform.local import stack
from telemetry_platform.local.environment import environment_of
from telemetry_platform.settings import PROJECT_ROOT, Settings
from telemetry_platform_tests.integration.own_stack import settings_on_free_ports


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = settings_on_free_ports(tmp_path / "home")
    try:
        stack.up(settings, without=frozenset({"bronze", "warehouse", "dagster"}))
        yield settings
    finally:
        stack.down(settings)


def telemetry(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("telemetry"))
    environment = os.environ | environment_of(settings) | {"PYTHONPATH": str(PROJECT_ROOT)}
    return subprocess.run(
        [program, *arguments], env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )


def write_frames(file: Path, first: int) -> Path:
    lines = []
    for number in range(first, first + 3):
        event = {"event_id": str(uuid.UUID(int=number)), "event_name": "heartbeat", "event_version": 1}
        lines.append(json.dumps(event | {"created_ts": f"2023-02-0{number}T10:00:00Z", "player_id": "p-1"}))
    text = "\n".join(lines).encode()
    compress = zstandard.ZstdCompressor().compress
    file.write_bytes(compress(text[:50]) + b"\x52\x2a\x4d\x18\x04\x00\x00\x00skip" + compress(text[50:]))
    return file


def test_an_import_says_what_bronze_lacks_and_waits_for_it_on_request(settings: Settings, tmp_path: Path):
    assert telemetry(settings, "games", "add", "g").returncode == 0
    first = str(write_frames(tmp_path / "first.jsonl.zst", 1))
    told = telemetry(settings, "import", first, "--game", "g")
    assert told.returncode == 0, told.stderr
    assert "3 events read, 3 accepted, 0 rejected." in told.stdout
    assert "Bronze has 3 records still to come (--wait waits for them)." in told.stdout
    assert "telemetry materialize --from 2023-02-01 --to 2023-02-03" in told.stdout

    stack.up(settings, without=frozenset({"warehouse", "dagster"}))
    second = str(write_frames(tmp_path / "second.jsonl.zst", 4))
    told = telemetry(settings, "import", second, "--game", "g", "--wait", "--json")
    assert told.returncode == 0, told.stderr
    counts = json.loads(told.stdout)
    assert (counts["accepted"], counts["bronze_lag_records"], counts["error"]) == (3, 0, None)
    assert (counts["first_date"], counts["last_date"]) == ("2023-02-04", "2023-02-06")
    _, rows = ask_lake(settings, "SELECT count(*) FROM bronze.events WHERE game_id = 'g'")
    assert rows[0][0] == 6

"""CPU-seconds of the streaming job for a topic of events, warm, by the share that no collector signed.

python -m benchmarks.bronze.run --events 1000000 --direct 0 --direct 0.01
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from telemetry_platform.contracts.signature import SIGNATURE_HEADER, Signer, signing_key
from telemetry_platform.games.registry import add_game
from telemetry_platform.lake.progress import committed_progress
from telemetry_platform.local import stack
from telemetry_platform.local.environment import environment_of
from telemetry_platform.local.process import group_cpu_seconds
from telemetry_platform.settings import EVENTS_TOPIC, PROJECT_ROOT, Settings
from telemetry_platform_tests.integration.own_stack import settings_on_free_ports

GAME = "benchmark"
OTHERS = frozenset({"warehouse", "bronze", "dagster", "collector"})
BATCH = re.compile(r"event=batch batch_id=(\d+) rows=(\d+).* milliseconds=(\d+)")


def produce(settings: Settings, events: int, direct: float) -> None:
    """Write `events` records as the collector does, a share `direct` of them without its signature."""
    sign = Signer(signing_key(settings.keys_dir)).sign
    producer = Producer({"bootstrap.servers": settings.kafka, "compression.type": "lz4", "linger.ms": 50})
    now = datetime.now(UTC).isoformat()
    step = round(1 / direct) if direct else 0
    for number in range(events):
        event = {
            "event_id": str(uuid.UUID(int=number)),
            "event_name": "level_completed",
            "event_version": 1,
            "created_ts": now,
            "player_id": f"p{number % 30_000:07d}",
            "device_id": f"d{number % 30_000:07d}",
            "platform": "ios",
            "build_version": "1.4.2",
            "country": "DE",
            "environment": "production",
            "properties": {"level": "L7", "level_index": 7, "score": 1200, "seconds": 41.5},
            "sent_ts": now,
            "game_id": GAME,
        }
        is_direct = step and number % step == 0
        value = json.dumps(event if is_direct else event | {"received_ts": now, "event_ts": now, "source": "collector"})
        headers = [] if is_direct else [(SIGNATURE_HEADER, sign(value.encode()))]
        while True:
            try:
                producer.produce(EVENTS_TOPIC, value, f"{GAME}:{event['player_id']}", headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()


@contextmanager
def running_job(settings: Settings, log: Path) -> Iterator[int]:
    """The streaming job in a process group of its own; yields the group."""
    command = [sys.executable, "-m", "streaming.bronze_events"]
    with log.open("wb") as output:
        job = subprocess.Popen(
            command,
            env=environment_of(settings),
            cwd=PROJECT_ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield job.pid
    finally:
        job.terminate()
        job.wait()


def wait_for_rows(log: Path, rows: int) -> None:
    """Wait until the job's log says that it wrote that many rows since its start."""
    while sum(int(found[1]) for found in BATCH.findall(log.read_text())) < rows:
        time.sleep(0.05)


def measure(settings: Settings, log: Path, events: int, direct: float, warm_up: int) -> tuple[float, float]:
    """CPU and wall seconds for `events` after a first `warm_up` in the same process."""
    produce(settings, warm_up, direct)
    with running_job(settings, log) as group:
        wait_for_rows(log, warm_up)
        # Produced while the job waits, and hence in several batches: what counts is the CPU of the job.
        cpu, began = group_cpu_seconds(group), time.monotonic()
        produce(settings, events, direct)
        wait_for_rows(log, warm_up + events)
        return group_cpu_seconds(group) - cpu, time.monotonic() - began


def main(arguments: Sequence[str] | None = None) -> None:
    """One broker and one lake for each share; print events per CPU-second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--warm-up", type=int, default=1_000_000)
    parser.add_argument("--direct", type=float, action="append", help="share that no collector signed")
    chosen = parser.parse_args(arguments)
    table = Table("Direct", "Events", "CPU s", "Events per CPU-s")
    for direct in chosen.direct or [0.0]:
        with tempfile.TemporaryDirectory() as folder:
            settings = settings_on_free_ports(Path(folder))
            settings = replace(settings, bronze_batch_records=250_000)
            add_game(settings, GAME, None)
            stack.up(settings, without=OTHERS)
            try:
                cpu, _ = measure(settings, Path(folder) / "job.log", chosen.events, direct, chosen.warm_up)
                progress = committed_progress(f"{settings.checkpoints_dir}/bronze_events")
            finally:
                stack.down(settings)
            batches = progress.batch_id + 1 if progress else 0
            table.add_row(
                f"{direct:.1%}", str(chosen.events), f"{cpu:.1f}", f"{chosen.events / cpu:.0f} ({batches} batches)"
            )
    Console().print(table)


if __name__ == "__main__":
    main()

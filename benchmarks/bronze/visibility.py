"""How soon an event is in bronze at low load, and what waiting costs: seconds from Kafka to a commit, CPU, commits.

python -m benchmarks.bronze.visibility --seconds 60 --trigger 1 --trigger 8
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.bronze.run import GAME, OTHERS, produce, running_job, wait_for_rows
from telemetry_platform.games.registry import add_game
from telemetry_platform.lake.log import table_path
from telemetry_platform.local import stack
from telemetry_platform.local.process import group_cpu_seconds
from telemetry_platform.settings import Settings
from telemetry_platform_tests.integration.own_stack import settings_on_free_ports

EVERY_SECONDS = 0.5
WARM_UP = 20


def waits(settings: Settings, since: datetime) -> tuple[list[float], int]:
    """Seconds from each event's time to the commit that made it visible, and how many commits there were."""
    root = Path(table_path(settings.lake, "bronze.events"))
    found: list[float] = []
    commits = 0
    for commit in sorted((root / "_delta_log").glob("*.json")):
        visible = datetime.fromtimestamp(commit.stat().st_mtime, UTC)
        added = [json.loads(line).get("add") for line in commit.read_text().splitlines()]
        files = [root / add["path"] for add in added if add and add["dataChange"]]
        times = [t for file in files for t in pq.read_table(file, columns=["created_ts"])["created_ts"].to_pylist()]
        new = [(visible - t.astimezone(UTC)).total_seconds() for t in times if t.astimezone(UTC) >= since]
        found += new
        commits += bool(new)
    return found, commits


def main(arguments: Sequence[str] | None = None) -> None:
    """One broker and one lake for each trigger; an event every half second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--trigger", type=int, action="append", help="TELEMETRY_BRONZE_TRIGGER_SECONDS")
    chosen = parser.parse_args(arguments)
    table = Table("Trigger s", "p50 s", "p95 s", "max s", "Commits", "CPU s a minute")
    for trigger in chosen.trigger or [1, 8]:
        with tempfile.TemporaryDirectory() as folder:
            settings = replace(settings_on_free_ports(Path(folder)), bronze_trigger_seconds=trigger)
            add_game(settings, GAME, None)
            stack.up(settings, without=OTHERS)
            log = Path(folder) / "job.log"
            try:
                produce(settings, 1000, 0)
                with running_job(settings, log) as group:
                    wait_for_rows(log, 1000)
                    for _ in range(WARM_UP):
                        produce(settings, 1, 0)
                        time.sleep(EVERY_SECONDS)
                    since, cpu, events = datetime.now(UTC), group_cpu_seconds(group), 0
                    while (datetime.now(UTC) - since).total_seconds() < chosen.seconds:
                        produce(settings, 1, 0)
                        events += 1
                        time.sleep(EVERY_SECONDS)
                    cpu = (group_cpu_seconds(group) - cpu) * 60 / chosen.seconds
                    wait_for_rows(log, 1000 + WARM_UP + events)
            finally:
                stack.down(settings)
            seconds, commits = waits(settings, since)
            cuts = statistics.quantiles(seconds, n=20)
            table.add_row(
                str(trigger), f"{cuts[9]:.1f}", f"{cuts[18]:.1f}", f"{max(seconds):.1f}", str(commits), f"{cpu:.1f}"
            )
    Console().print(table)


if __name__ == "__main__":
    main()

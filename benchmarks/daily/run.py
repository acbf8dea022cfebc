"""CPU-seconds of silver and gold for one day, by events of the day and by JVM options.

python -m benchmarks.daily.run --events 1000000 --days 1 --java= --java=-XX:TieredStopAtLevel=4
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake
from rich.console import Console
from rich.table import Table

from telemetry_platform.lake.log import table_path
from telemetry_platform.settings import EVENTS_TOPIC, PROJECT_ROOT, process_environment

GAMES = 2
EVENTS_PER_PLAYER = 30
FIRST_DAY = date(2024, 3, 1)
NAMES = np.array(["heartbeat", "level_started", "level_completed", "session_start", "ad_impression", "purchase"])
SHARES = [0.58, 0.15, 0.12, 0.1, 0.04, 0.01]
PROPERTIES = {
    "level_started": '{"level":"L7","level_index":7}',
    "level_completed": '{"level":"L7","level_index":7,"score":1200,"seconds":41.5}',
    "ad_impression": '{"network":"n","placement":"p","ad_format":"rewarded","revenue_micros":12500,"currency":"USD"}',
}
SHARE_OF_COPIES = 0.01
# Of Linux's prctl.
SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Cost:
    """What a command took: CPU is user and system of its process and of all it left behind."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float


@dataclass(frozen=True)
class Sample:
    """One materialization in a process of its own."""

    java: str
    events: int
    days: int
    cost: Cost
    assets: dict[str, float]


def write_bronze(lake: Path, *, events: int, days: int, seed: int = 1) -> None:
    """Write `events` good rows a day, one in a hundred of them twice, as the stream would."""
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        frame = _bronze_of(day, events, np.random.default_rng((seed, number)), first_offset=number * 2 * events)
        write_deltalake(
            table_path(str(lake), "bronze.events"), frame, mode="append", partition_by=["received_date", "arrival"]
        )


def _bronze_of(day: date, events: int, random: np.random.Generator, *, first_offset: int) -> pa.Table:
    players = max(1, events // EVENTS_PER_PLAYER)
    player = random.integers(0, players, events)
    # Three sittings a day for each player, of 20 minutes each.
    sitting = (player * 7919 % 54_000 + random.integers(0, 3, events) * 9_000) % 82_000
    seconds = sitting + random.uniform(0, 1200, events)
    ids = random.integers(0, 2**63, (events, 2), dtype=np.int64)
    names = random.choice(NAMES, events, p=SHARES)
    keep = np.concatenate([np.arange(events), random.integers(0, events, int(events * SHARE_OF_COPIES))])
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1e6)
    happened = pa.array((midnight + seconds * 1e6).astype("int64")[keep]).cast(pa.timestamp("us", "UTC"))
    properties = [PROPERTIES.get(name, "{}") for name in names]
    for index in np.flatnonzero(names == "purchase"):
        properties[index] = (
            f'{{"transaction_id":"t{ids[index, 0]}","product_id":"gems","price_minor":499,"currency":"USD",'
            '"receipt_status":"valid"}'
        )
    kept = keep.tolist()
    text = [f"{a:016x}{b:016x}" for a, b in ids.tolist()]
    count = len(kept)
    columns = {
        "event_id": [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in (text[i] for i in kept)],
        "event_name": pa.array(names[keep].tolist()),
        "event_version": pa.array(np.ones(count, "int32")),
        "game_id": [f"bench{player[i] % GAMES}" for i in kept],
        "player_id": [f"p{player[i]:07d}" for i in kept],
        "device_id": [f"d{player[i]:07d}" for i in kept],
        "platform": ["ios" if player[i] % 3 else "android" for i in kept],
        "build_version": [f"1.{player[i] % 4}.0" for i in kept],
        "country": [("DE", "US", "JP", "BR")[player[i] % 4] for i in kept],
        "environment": pa.array(["production"] * count),
        "created_ts": happened,
        "sent_ts": happened,
        "received_ts": happened,
        "event_ts": happened,
        "source": pa.array(["collector"] * count),
        "clock_corrected": pa.array([False] * count),
        "properties": [properties[i] for i in kept],
        "event_date": pa.array([day] * count),
        "kafka_topic": pa.array([EVENTS_TOPIC] * count),
        "kafka_partition": pa.array(np.zeros(count, "int32")),
        "kafka_offset": pa.array(first_offset + np.arange(count)),
        "received_date": pa.array([day] * count),
        "arrival": pa.array(["on_time"] * count),
        "session_id": pa.nulls(count, pa.string()),
        "error_type": pa.nulls(count, pa.string()),
        "error_message": pa.nulls(count, pa.string()),
        "raw_value": pa.nulls(count, pa.binary()),
    }
    return pa.table(columns)


def materialize(
    home: Path, java: str, *, events: int, first: date, last: date, select: str = 'group:"silver" or group:"gold"'
) -> Sample:
    """Materialize the days through the `telemetry` command, in a process of its own."""
    environment = process_environment(TELEMETRY_HOME=str(home), TELEMETRY_GAMES=str(home / "games"))
    # The JVM puts what stands in this variable over its command line: options can be compared without a change.
    environment |= {"_JAVA_OPTIONS": java} if java else {}
    command = [str(Path(sys.executable).with_name("telemetry")), "materialize", "--json"]
    command += ["--from", first.isoformat(), "--to", last.isoformat(), "--select", select]
    cost, output = measured(command, environment)
    said = json.loads(output[output.index("{") : output.rindex("}") + 1])
    return Sample(java or "as shipped", events, (last - first).days + 1, cost, said["seconds"])


def measured(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[Cost, str]:
    """Run a command to its end; what it took, and what it printed."""
    began, used = time.monotonic(), []
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        used.append(usage)
        # The JVM outlives its driver for a moment: it is this process's child then, and counts once it has ended.
        with suppress(ChildProcessError):
            while True:
                used.append(os.wait3(0)[2])
        texts = [stream.seek(0) or stream.read().decode() for stream in (output, errors)]
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(texts[1] or texts[0])
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    return Cost(wall, cpu, max(one.ru_maxrss for one in used) / 1024), texts[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the days once, materialize them once per set of options, print the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events of each day")
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--java", action="append", help="options put over the shipped ones: --java= --java=-Xint")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the samples there")
    chosen = parser.parse_args(arguments)
    console = Console()
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_bronze(home / "lake", events=chosen.events, days=chosen.days)
        last = FIRST_DAY + timedelta(days=chosen.days - 1)
        for _ in range(chosen.rounds):
            for java in chosen.java or [""]:
                sample = materialize(home, java, events=chosen.events, first=FIRST_DAY, last=last)
                samples.append(sample)
                console.print(sample, markup=False)
    table = Table("JVM options", "Events a day", "Days", "Wall s", "CPU s", "Peak MB")
    for one in samples:
        cost = one.cost
        numbers = (f"{cost.wall_seconds:.1f}", f"{cost.cpu_seconds:.1f}", f"{cost.peak_megabytes:.0f}")
        table.add_row(one.java, str(one.events), str(one.days), *numbers)
    console.print(table)
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(sample) for sample in samples], indent=1))


if __name__ == "__main__":
    main()

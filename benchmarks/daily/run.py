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
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.daily.bronze import FIRST_DAY
from telemetry_platform.settings import PROJECT_ROOT, process_environment

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


def write_bronze(lake: Path, *, events: int, days: int) -> None:
    """Write a lake's bronze, in a process of its own: what starts later would begin with this one's peak of memory."""
    measured([sys.executable, "-m", "benchmarks.daily.bronze", str(lake), str(events), str(days)])


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

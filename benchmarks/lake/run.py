"""CPU-seconds, wall and peak memory of each reader of the lake, by the files of its table.

python -m benchmarks.lake.run
python -m benchmarks.lake.run --tables 1000 10000 --readers contents sql
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.lake.tables import EVENTS, FIRST_DAY, Layout, write_table
from telemetry_platform.cli.query import ask_lake
from telemetry_platform.lake.log import contents, contents_of_commit, current_files, newest_version, read_window
from telemetry_platform.lake.window import Window
from telemetry_platform.settings import PROJECT_ROOT, process_environment, read_settings

# Ten games of two files a day, and longer and longer histories; then 500 games.
TABLES = {
    "1000": Layout(days=50, games=10, files=2),
    "10000": Layout(days=500, games=10, files=2),
    "100000": Layout(days=5000, games=10, files=2),
    "100000 of 500 games": Layout(days=200, games=500),
}
DAY = FIRST_DAY.replace(day=20)
WINDOW = Window.of_days(DAY, DAY)


@dataclass(frozen=True)
class Sample:
    """One reading in a process of its own; memory is what it took above the imports."""

    reader: str
    table: str
    answer: int
    cpu_seconds: float
    wall_seconds: float
    peak_megabytes: float


def _sql(lake: str) -> int:
    settings = read_settings({"TELEMETRY_LAKE": lake})
    statement = f"SELECT count(*) FROM {EVENTS.name} WHERE event_date = '{DAY}'"
    return ask_lake(settings, statement)[1][0][0]


READERS: dict[str, Callable[[str], int]] = {
    "contents of a day": lambda lake: contents(lake, EVENTS, WINDOW).rows,
    "contents of a commit": lambda lake: contents_of_commit(lake, EVENTS, 5).rows,
    "newest version": lambda lake: newest_version(lake, EVENTS.name),
    "read of a day": lambda lake: sum(batch.num_rows for batch in read_window(lake, EVENTS, WINDOW)[1]),
    "telemetry lake, count of a day": _sql,
    "all files": lambda lake: len(current_files(lake, EVENTS.name)[2]),
}


def measure(reader: str, table: str, lake: str) -> Sample:
    """Read once, in this process."""
    before, cpu, wall = _peak_megabytes(), time.process_time(), time.monotonic()
    answer = READERS[reader](lake)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    return Sample(reader, table, answer, cpu, wall, _peak_megabytes() - before)


def _peak_megabytes() -> float:
    # Linux carries a parent's peak over into its child's ru_maxrss; this one begins with the program.
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _measured_apart(reader: str, table: str, lake: Path) -> Sample:
    command = [sys.executable, "-m", "benchmarks.lake.run", "--measure", reader, table, str(lake)]
    done = subprocess.run(
        command, env=process_environment(), cwd=PROJECT_ROOT, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return Sample(**json.loads(done.stdout))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write each table, read it by each reader in a new process, print the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--readers", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.measure:
        print(json.dumps(asdict(measure(*chosen.measure))))
        return
    shown = Table("Reader", "Files", "Answer", "CPU s", "Wall s", "Peak MiB")
    for name in chosen.tables:
        with tempfile.TemporaryDirectory() as folder:
            lake = Path(folder) / "lake"
            lake.mkdir()
            write_table(lake, TABLES[name])
            for reader in chosen.readers:
                one = _measured_apart(reader, name, lake)
                numbers = (f"{one.cpu_seconds:.2f}", f"{one.wall_seconds:.2f}", f"{one.peak_megabytes:.0f}")
                shown.add_row(reader, name, str(one.answer), *numbers)
    Console().print(shown)


if __name__ == "__main__":
    main()

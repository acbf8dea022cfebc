"""Logs that stay small under real writers, and lose no line to it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from telemetry_platform.local import logs
from telemetry_platform.settings import PROJECT_ROOT

LARGEST = 20_000
DEADLINE_SECONDS = 60

# Logs numbered lines to its own log, from two threads, under a keeper that has much to do.
WRITER = """
import logging, sys, threading
from pathlib import Path
from telemetry_platform.local.logs import keep_small
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
keep_small(Path(sys.argv[1]), largest_bytes=int(sys.argv[2]), check_seconds=0.001)
def write(name):
    for number in range(60_000):
        logging.info("%s %d", name, number)
threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
# Writes nothing and keeps the others' logs small.
KEEPER = """
import sys
from pathlib import Path
from telemetry_platform.local.logs import keep_small
keeper = keep_small(Path(sys.argv[1]), largest_bytes=int(sys.argv[2]), check_seconds=0.01)
print("keeps", flush=True)
keeper.join()
"""


def start(code: str, folder: Path, log: Path, largest: int = LARGEST) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(largest)], cwd=PROJECT_ROOT, stdout=output, stderr=output
        )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_busy_process_keeps_its_log_small_and_loses_no_line(tmp_path: Path):
    log = tmp_path / "collector.log"
    with start(WRITER, tmp_path, log, 10 * LARGEST) as writer:
        assert writer.wait(DEADLINE_SECONDS) == 0, log.read_text()
    files = [tmp_path / "collector.log.2", tmp_path / "collector.log.1", log]
    assert sorted(path for path in tmp_path.iterdir() if path.suffix != ".new") == sorted(files)
    lines = "".join(path.read_text() for path in files).splitlines()
    for name in "ab":
        numbers = [int(line.split()[1]) for line in lines if line.startswith(name)]
        if numbers:
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {"a 59999", "b 59999"} & set(lines[-2:])


def test_the_logs_of_other_programs_are_kept_small_by_whoever_lives(tmp_path: Path):
    brokers = tmp_path / "broker.log"
    with brokers.open("ab", buffering=0) as broker:
        keepers = [start(KEEPER, tmp_path, tmp_path / f"{name}.log") for name in ("collector", "bronze")]
        try:
            wait_until(lambda: all((tmp_path / f"{name}.log").stat().st_size for name in ("collector", "bronze")))
            keepers[0].send_signal(signal.SIGKILL)
            keepers[0].wait()
            for number in range(3):
                broker.write(f"{number}\n".encode() + b"x" * LARGEST)
                wait_until(lambda: brokers.stat().st_size == 0)
            broker.write(b"the last line\n")
        finally:
            for keeper in keepers:
                keeper.kill()
                keeper.wait()
    assert brokers.read_text() == "the last line\n"
    assert not (tmp_path / "broker.log.3").exists()
    assert {len((tmp_path / f"broker.log.{number}").read_bytes()) for number in (1, 2)} <= {LARGEST, LARGEST + 2}


def test_a_log_is_left_to_the_process_that_looks_after_it(tmp_path: Path):
    log = tmp_path / "collector.log"
    with start(KEEPER.replace("int(sys.argv[2])", "10**9"), tmp_path, log) as keeper:
        try:
            wait_until(lambda: log.stat().st_size > 0)
            with log.open("ab") as more:
                more.write(b"x" * LARGEST)
            wait_until(lambda: not can_be_locked(log))
            logs.rotate(log, LARGEST)
            assert log.stat().st_size > LARGEST
        finally:
            keeper.kill()
    logs.rotate(log, LARGEST)
    assert log.stat().st_size == 0


def can_be_locked(log: Path) -> bool:
    code = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    return subprocess.run([sys.executable, "-c", code, str(log)], capture_output=True, check=False).returncode == 0


def test_of_a_log_that_grew_unwatched_only_the_end_is_kept(tmp_path: Path):
    log = tmp_path / "dagster.log"
    log.write_bytes(b"a" * LARGEST + b"b" * 2 * LARGEST)
    logs.rotate(log, LARGEST)
    assert (tmp_path / "dagster.log.1").read_bytes() == b"b" * 2 * LARGEST


def test_a_module_is_run_as_python_runs_it_and_its_log_is_looked_after(tmp_path: Path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "own.py").write_text(
        "import sys, threading\n"
        "print(__name__, sys.argv[1:], [thread.name for thread in threading.enumerate()][1:])\n"
        "sys.exit(3)\n"
    )
    variables = {**os.environ, "TELEMETRY_HOME": str(tmp_path), "PYTHONPATH": f"{PROJECT_ROOT}:{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "-m", "telemetry_platform.local.logs", "own", "--port", "1"],
        cwd=PROJECT_ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout == "__main__ ['--port', '1'] ['keeps-logs-small']\n"


@pytest.mark.parametrize("size", [10, 10_000_000])
def test_the_last_lines_are_read_from_the_end(tmp_path: Path, size: int):
    log = tmp_path / "bronze.log"
    with log.open("wb") as file:
        file.truncate(size)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + b"".join(b"line %d\n" % number for number in range(20)))
    assert logs.last_lines(log, 3) == ["line 17", "line 18", "line 19"]
    assert logs.last_lines(tmp_path / "none.log", 3) == []

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from telemetry_platform.local import process
from telemetry_platform.local.java import java_version

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]
# A leader with a child that outlives it, as a driver with its JVM.
WITH_CHILD = [sys.executable, "-c", f"import subprocess, time; subprocess.Popen({SLEEPS!r}); time.sleep(600)"]


def start(folder: Path, command: list[str] = SLEEPS) -> tuple[process.Record, subprocess.Popen]:
    started = process.start(
        command, log=folder / "it.log", record=folder / "it.json", environment=dict(os.environ), folder=folder
    )
    record = process.read_record(folder / "it.json")
    assert record is not None
    return record, started


def test_a_started_process_is_recognised_by_its_record_and_ended(tmp_path: Path):
    record, _ = start(tmp_path)
    assert process.is_alive(record)
    process.ask_to_end(record)
    process.end(record, grace_seconds=10)
    assert not process.is_alive(record)


def test_a_process_that_ignores_the_request_is_killed_after_the_grace(tmp_path: Path):
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    record, started = start(tmp_path, [sys.executable, "-c", deaf])
    while "deaf" not in (tmp_path / "it.log").read_text():
        assert process.is_alive(record)
    process.ask_to_end(record)
    process.end(record, grace_seconds=0.2)
    assert started.wait(10) == -signal.SIGKILL or not process.is_alive(record)


def test_a_reused_pid_is_not_taken_for_the_process_of_the_record_and_never_killed(tmp_path: Path):
    stranger, started = start(tmp_path)
    stale = replace(stranger, started="1", mark="of a process that ended long ago")
    try:
        assert not process.is_alive(stale)
        process.ask_to_end(stale)
        process.end(stale, grace_seconds=0)
        assert started.poll() is None
        assert process.is_alive(stranger)
    finally:
        started.kill()
        started.wait()


@pytest.mark.skipif(not process.PROC.exists(), reason="needs /proc")
def test_what_a_killed_leader_leaves_behind_is_found_and_ended(tmp_path: Path):
    record, started = start(tmp_path, WITH_CHILD)
    while len(list(process.left_behind(record))) < 2:
        assert process.is_alive(record)
    started.kill()
    started.wait()
    assert not process.is_alive(record)
    assert len(list(process.left_behind(record))) == 1
    process.end(record, grace_seconds=0)
    assert list(process.left_behind(record)) == []


def test_an_interrupt_at_any_moment_of_a_start_leaves_no_child_without_a_record(tmp_path: Path):
    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGALRM, interrupt), signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupted = 0
    try:
        for number in range(40):
            folder = tmp_path / str(number)
            marked = dict(os.environ) | {"OF_THIS_TEST": str(tmp_path)}
            signal.setitimer(signal.ITIMER_REAL, 0.0002 * (number % 20 + 1))
            try:
                process.start(
                    SLEEPS, log=folder / "it.log", record=folder / "it.json", environment=marked, folder=tmp_path
                )
            except KeyboardInterrupt:
                interrupted += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if record := process.read_record(folder / "it.json"):
                process.end(record, grace_seconds=0)
    finally:
        signal.signal(signal.SIGALRM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert interrupted
    mark = f"OF_THIS_TEST={tmp_path}".encode()
    assert not [entry for entry in Path("/proc").glob("[0-9]*") if mark in environment_of(entry).split(b"\0")]


def environment_of(entry: Path) -> bytes:
    with suppress(OSError):
        return (entry / "environ").read_bytes()
    return b""


def test_a_half_written_or_missing_record_is_no_record(tmp_path: Path):
    path = tmp_path / "it.json"
    assert process.read_record(path) is None
    path.write_text('{"pid": 12')
    assert process.read_record(path) is None
    assert not process.is_alive(None)


def test_a_port_is_taken_while_somebody_listens_and_the_holder_is_named():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        holder.listen()
        assert not process.port_is_free(port)
        if process.PROC.exists():
            assert process.listener_of(port).startswith(f"pid {os.getpid()}: ")
    assert process.port_is_free(port)
    assert process.listener_of(port) == ""


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_402"', 8),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_the_version_of_java_is_read_from_what_it_says(said: str, version: int | None):
    assert java_version(said) == version

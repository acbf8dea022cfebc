"""One writer a table, with processes that are real and die."""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from telemetry_platform.errors import LakeError, LeaseLost, TableBusy
from telemetry_platform.lake.lease import lease
from telemetry_platform.settings import PROJECT_ROOT

TABLE = "silver.events"
HOLDS = """
import sys
from telemetry_platform.lake.lease import lease
with lease(sys.argv[1], "silver.events", owner="a backfill of March"):
    print("held", flush=True)
    sys.stdin.readline()
"""
FORKS = """
import os, sys, time
from telemetry_platform.lake.lease import lease
with lease(sys.argv[1], "silver.events", owner="a parent"):
    if os.fork() == 0:
        time.sleep(600)
    print("held", flush=True)
    sys.stdin.readline()
"""
# Its JVM is one by name only: what counts is that it outlives the one who started it.
STARTS_JVM = """
import subprocess, sys
from pathlib import Path
from telemetry_platform.lake.lease import lease
jvm = subprocess.Popen([sys.argv[1] + "/java", "600"])
while Path(f"/proc/{jvm.pid}/comm").read_text() != "java\\n":
    pass
with lease(sys.argv[1], "silver.events", owner="a driver"):
    print(jvm.pid, flush=True)
    sys.stdin.readline()
"""
# A suite that runs in the background ignores Ctrl-C, and so would what it starts.
WAITS = """
import signal, sys
from telemetry_platform.lake.lease import lease
signal.signal(signal.SIGINT, signal.default_int_handler)
print("waits", flush=True)
with lease(sys.argv[1], "silver.events", owner="the second", wait_seconds=600):
    print("held", flush=True)
"""


@contextmanager
def started(program: str, lake: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(lake)],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_second_process_waits_and_writes_when_the_first_has_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    with started(HOLDS, tmp_path) as first:
        assert said(first) == "held"
        release = threading.Timer(0.5, let_go, [first])
        release.start()
        before = time.monotonic()
        with lease(str(tmp_path), TABLE, owner="the second", wait_seconds=60) as held:
            assert time.monotonic() - before > 0.4
            held.check()
            assert held.owner.epoch == 2
    waited = [record.getMessage() for record in caplog.records if "waiting_for_lease" in record.getMessage()]
    assert len(waited) == 1
    assert f"pid {first.pid}" in waited[0]
    assert "a backfill of March" in waited[0]


def test_a_killed_process_holds_nothing(tmp_path: Path):
    with started(HOLDS, tmp_path) as first:
        assert said(first) == "held"
        first.send_signal(signal.SIGKILL)
        first.wait()
        with lease(str(tmp_path), TABLE, owner="the next", wait_seconds=0) as held:
            assert held.owner.epoch == 2


def test_who_waits_in_vain_is_told_who_writes_since_when_and_what_to_do(tmp_path: Path):
    with started(HOLDS, tmp_path) as first:
        assert said(first) == "held"
        with (
            pytest.raises(TableBusy) as refused,
            lease(str(tmp_path), TABLE, owner="the second", wait_seconds=0.2),
        ):
            pass
    message = str(refused.value)
    host = re.escape(os.uname().nodename)
    since = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
    assert re.search(rf"^{TABLE} .*pid {first.pid} on {host}, since {since}: a backfill of March\)", message)
    assert "Let it finish, or end it, then run this again." in message


def test_another_table_or_another_lake_is_free(tmp_path: Path):
    with started(HOLDS, tmp_path) as first:
        assert said(first) == "held"
        with lease(str(tmp_path), "silver.sessions", owner="another table", wait_seconds=0):
            pass
        with lease(str(tmp_path / "other"), TABLE, owner="another lake", wait_seconds=0):
            pass


def test_ctrl_c_ends_the_waiting(tmp_path: Path):
    with started(HOLDS, tmp_path) as first:
        assert said(first) == "held"
        with started(WAITS, tmp_path) as second:
            assert said(second) == "waits"
            time.sleep(0.2)
            second.send_signal(signal.SIGINT)
            assert second.wait(10) == -signal.SIGINT


def test_a_process_shares_its_lease_and_the_last_user_lets_it_go(tmp_path: Path):
    with lease(str(tmp_path), TABLE, owner="the run") as outer:
        with lease(f"{tmp_path}/", TABLE, owner="a step", wait_seconds=0) as inner:
            assert inner.owner == outer.owner
        seen = []

        def as_a_thread() -> None:
            with lease(str(tmp_path), TABLE, owner="a thread", wait_seconds=0) as held:
                seen.append(held.owner)

        threads = [threading.Thread(target=as_a_thread) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [outer.owner] * 20
        with started(WAITS, tmp_path) as second:
            assert said(second) == "waits"
            time.sleep(0.2)
            assert second.poll() is None
    with started(HOLDS, tmp_path) as third:
        assert said(third) == "held"


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_a_forked_child_does_not_keep_the_lease_of_its_dead_parent(tmp_path: Path):
    with started(FORKS, tmp_path) as first:
        assert said(first) == "held"
        child = int(Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text())
        try:
            first.kill()
            first.wait()
            with lease(str(tmp_path), TABLE, owner="the next", wait_seconds=10):
                pass
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_the_jvm_of_a_killed_driver_keeps_the_lease_until_it_has_ended(tmp_path: Path):
    shutil.copy(shutil.which("sleep") or "sleep", tmp_path / "java")
    with started(STARTS_JVM, tmp_path) as first:
        jvm = int(said(first))
        try:
            first.kill()
            first.wait()
            with (
                pytest.raises(TableBusy, match=f"pid {first.pid} .*a driver"),
                lease(str(tmp_path), TABLE, owner="the next", wait_seconds=0.2),
            ):
                pass
        finally:
            os.kill(jvm, signal.SIGKILL)
        with lease(str(tmp_path), TABLE, owner="the next", wait_seconds=10) as held:
            assert held.owner.epoch == 2


def test_a_lake_that_is_removed_and_made_anew_takes_the_lease_with_it(tmp_path: Path):
    with lease(str(tmp_path), TABLE, owner="a long write") as held:
        held.check()
        (tmp_path / "_leases" / f"{TABLE}.lock").unlink()
        with pytest.raises(LeaseLost, match="a long write"):
            held.check()
        with started(HOLDS, tmp_path) as other:
            assert said(other) == "held"


def test_a_lake_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "_leases").write_text("a file where the folder should be")
    with pytest.raises(LakeError, match="_leases"), lease(str(tmp_path), TABLE, owner="a write"):
        pass


def test_storage_without_leases_is_refused(tmp_path: Path):
    with pytest.raises(LakeError, match="gs://"), lease("gs://bucket/lake", TABLE, owner="a write"):
        pass

"""Two processes that append to one Delta table: under the lease no commit comes between another's read and write."""

import json
import logging
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.lease import lease
from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window
from telemetry_platform.settings import PROJECT_ROOT

COMMITS = 8
OTHER_WRITER = """
import sys, threading, time
from telemetry_platform_tests.spark.test_two_writers import append, leased
has_ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), has_ended.set()), daemon=True).start()
number = 0
while not has_ended.is_set():
    with leased(sys.argv[1]):
        append(sys.argv[1], f"other {number}")
    number += 1
    print("has written", flush=True)
    # Long enough for a process that waits to look again.
    time.sleep(0.03)
"""


def leased(lake: str):
    return lease(lake, "silver.events", owner="a writer of this test")


def append(lake: str, writer: str) -> None:
    write_deltalake(f"{lake}/silver/events", pa.table({"writer": [writer]}), mode="append")


def commits(lake: str) -> list[dict]:
    """What each commit of the table says of itself, by version."""
    files = sorted(Path(lake, "silver", "events", "_delta_log").glob("*.json"))
    actions = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    return [next(action["commitInfo"] for action in one if "commitInfo" in action) for one in actions]


def test_two_processes_that_append_to_one_table_lose_no_commit(spark: SparkSession, tmp_path: Path):
    lake = str(tmp_path)
    append(lake, "first")
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER_WRITER, lake],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "has written\n"
        for number in range(COMMITS):
            frame = spark.createDataFrame([(f"spark {number}",)], "writer string")
            with leased(lake):
                frame.write.format("delta").mode("append").save(f"{lake}/silver/events")
            time.sleep(0.1)
        said, _ = other.communicate(timeout=60)
    finally:
        other.kill()
        other.wait()
    written = 1 + len(said.splitlines())
    assert written > COMMITS / 2
    found = DeltaTable(f"{lake}/silver/events").to_pyarrow_table().column("writer").to_pylist()
    expected = ["first", *(f"spark {n}" for n in range(COMMITS)), *(f"other {n}" for n in range(written))]
    assert sorted(found) == sorted(expected)
    # Spark looks whether the version is free and renames: only what comes in between can be overwritten.
    by_spark = [(n, one["readVersion"]) for n, one in enumerate(commits(lake)) if "readVersion" in one]
    assert len(by_spark) == COMMITS
    assert all(read == version - 1 for version, read in by_spark), by_spark


HOLDS = """
import sys
from telemetry_platform.lake.lease import lease
with lease(sys.argv[1], "silver.sessions", owner="a backfill of March"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_replacing_days_waits_for_the_process_that_writes_to_the_table(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    lake = Lake(str(tmp_path), spark)
    nothing = spark.createDataFrame([], TABLES["silver.sessions"].schema)
    day = Window.of_days(date(2026, 1, 1), date(2026, 1, 1))
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with ThreadPoolExecutor() as pool:
            written = pool.submit(lake.replace, "silver.sessions", nothing, day)
            with pytest.raises(TimeoutError):
                written.result(2)
            assert not Path(tmp_path, "silver").exists()
            other.communicate(b"\n")
            assert written.result(60)[0].rows == 0
    finally:
        other.kill()
        other.wait()
    assert "a backfill of March" in caplog.text

"""The sync against the stand-in, through the real connector, killed where it hurts."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql.types import DateType, DecimalType, LongType, StringType, StructField, StructType

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import LakeError, WarehouseError
from telemetry_platform.lake.window import Window
from telemetry_platform.settings import PROJECT_ROOT, Settings
from telemetry_platform.warehouse.connection import connect
from telemetry_platform.warehouse.sync import Snapshot, sync

DAYS = Window.of_days(date(2026, 1, 1), date(2026, 1, 2))
REVENUE = Table(
    name="gold.sync_test",
    description="Rows of this test.",
    schema=StructType(
        [
            StructField("event_date", DateType()),
            StructField("game_id", StringType()),
            StructField("dau", LongType()),
            StructField("revenue", DecimalType(18, 6)),
        ]
    ),
    keys=("event_date", "game_id"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)

KILLED_BEFORE_COMMIT = """
import os, signal, sys
from telemetry_platform.settings import read_settings
from telemetry_platform.warehouse.connection import connect
from telemetry_platform.warehouse.sync import sync
from telemetry_platform_tests.integration.test_warehouse_sync import snapshot

class DiesAtCommit:
    def __init__(self, connection):
        self._connection = connection
    def cursor(self):
        return self._connection.cursor()
    def commit(self):
        os.kill(os.getpid(), signal.SIGKILL)

settings = read_settings({"TELEMETRY_WAREHOUSE_PORT": sys.argv[1]})
with connect(settings.warehouse) as connection:
    sync(DiesAtCommit(connection), "TELEMETRY", snapshot(version=8, dau=2))
"""


def snapshot(*, version: int, dau: int, days: tuple[date, ...] = tuple(DAYS)) -> Snapshot:
    from decimal import Decimal

    rows = pa.table(
        {
            "event_date": pa.array(days, pa.date32()),
            "game_id": ["g"] * len(days),
            "dau": pa.array([dau] * len(days), pa.int64()),
            "revenue": pa.array([Decimal("1.234567")] * len(days), pa.decimal128(18, 6)),
        }
    )
    return Snapshot(REVENUE, DAYS, version, rows.to_batches())


@pytest.fixture
def connection(stack_settings: Settings) -> Iterator[Any]:
    with connect(stack_settings.warehouse) as opened:
        yield opened
        opened.cursor().execute("DROP TABLE IF EXISTS TELEMETRY.GOLD.SYNC_TEST")
        opened.cursor().execute("DELETE FROM TELEMETRY.OPS.SYNC_STATE WHERE TABLE_NAME = 'gold.sync_test'")


def ask(connection: Any, statement: str) -> list[tuple]:
    return connection.cursor().execute(statement).fetchall()


def dau(connection: Any) -> list[tuple]:
    return ask(connection, "SELECT EVENT_DATE, DAU FROM TELEMETRY.GOLD.SYNC_TEST ORDER BY 1")


def test_a_window_is_replaced_and_the_control_row_says_by_which_version(connection: Any):
    assert sync(connection, "TELEMETRY", snapshot(version=7, dau=1)) == 2
    assert sync(connection, "TELEMETRY", snapshot(version=8, dau=2, days=(date(2026, 1, 2),))) == 1
    assert dau(connection) == [(date(2026, 1, 2), 2)]
    state = ask(
        connection,
        "SELECT PARTITION_DATE, DELTA_VERSION, ROW_COUNT FROM TELEMETRY.OPS.SYNC_STATE "
        "WHERE TABLE_NAME = 'gold.sync_test' ORDER BY 1",
    )
    assert state == [(date(2026, 1, 1), 8, 0), (date(2026, 1, 2), 8, 1)]


def test_an_older_version_is_refused_and_changes_nothing(connection: Any):
    sync(connection, "TELEMETRY", snapshot(version=9, dau=9))
    with pytest.raises(WarehouseError, match="already holds a newer Delta version than 8"):
        sync(connection, "TELEMETRY", snapshot(version=8, dau=8))
    assert dau(connection) == [(date(2026, 1, 1), 9), (date(2026, 1, 2), 9)]


def test_killing_the_sync_between_copy_and_commit_leaves_the_old_rows_and_a_second_run_brings_the_new(
    connection: Any, stack_settings: Settings
):
    sync(connection, "TELEMETRY", snapshot(version=7, dau=1))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_COMMIT, str(stack_settings.warehouse.port)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    assert dau(connection) == [(date(2026, 1, 1), 1), (date(2026, 1, 2), 1)]
    _sync_until_unblocked(connection)
    assert dau(connection) == [(date(2026, 1, 1), 2), (date(2026, 1, 2), 2)]


def _sync_until_unblocked(connection: Any) -> None:
    """Sync as Dagster would: again until the server has given up the dead client's transaction."""
    import time

    deadline = time.monotonic() + 120
    while True:
        try:
            sync(connection, "TELEMETRY", snapshot(version=8, dau=2))
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def tables_of_ops(connection: Any) -> list[tuple]:
    return ask(
        connection, "SELECT TABLE_NAME FROM TELEMETRY.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'OPS' ORDER BY 1"
    )


class Watched:
    """A connection that tells `seen` of each statement before it is run."""

    def __init__(self, connection: Any, seen: Callable[[str], None]) -> None:
        self._connection, self._seen = connection, seen

    def cursor(self) -> Any:
        cursor = self._connection.cursor()
        execute = cursor.execute

        def told(statement: str) -> Any:
            self._seen(statement)
            return execute(statement)

        cursor.execute = told
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_a_window_goes_in_file_by_file_and_each_file_is_gone_before_the_next_is_put(connection: Any):
    left_behind: list[int] = []
    copies: list[str] = []

    def seen(statement: str) -> None:
        if statement.startswith("PUT"):
            folder = Path(statement.split("'")[1].removeprefix("file://")).parent
            left_behind.append(len(list(folder.iterdir())) - 1)
        copies.extend([statement] if statement.startswith("COPY") else [])

    days = [snapshot(version=7, dau=dau, days=(day,)) for dau, day in enumerate(DAYS, start=1)]
    batches = [batch for day in days for batch in day.batches]
    in_files = Snapshot(REVENUE, DAYS, 7, iter([*batches, *batches]))
    assert sync(Watched(connection, seen), "TELEMETRY", in_files, file_bytes=1) == 4
    assert (left_behind, len(copies)) == ([0, 0, 0, 0], 1)
    first, second = DAYS
    assert dau(connection) == [(first, 1), (first, 1), (second, 2), (second, 2)]


def test_memory_of_a_copy_does_not_grow_with_the_window(connection: Any):
    held: list[int] = []
    before = pa.total_allocated_bytes()

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(64):
            yield from snapshot(version=7, dau=1, days=(date(2026, 1, 1),) * 20_000).batches
            held.append(pa.total_allocated_bytes() - before)

    assert sync(connection, "TELEMETRY", Snapshot(REVENUE, DAYS, 7, batches()), file_bytes=2**20) == 1_280_000
    assert max(held) < 8 * 2**20  # the window has 43 MiB in Arrow


def test_a_read_that_fails_midway_leaves_the_old_rows_and_no_staging_table(connection: Any):
    sync(connection, "TELEMETRY", snapshot(version=7, dau=1))
    before = tables_of_ops(connection)

    def batches() -> Iterator[pa.RecordBatch]:
        yield from snapshot(version=8, dau=2).batches
        raise LakeError("A file is gone.")

    with pytest.raises(LakeError, match="A file is gone"):
        sync(connection, "TELEMETRY", Snapshot(REVENUE, DAYS, 8, batches()), file_bytes=1)
    assert dau(connection) == [(date(2026, 1, 1), 1), (date(2026, 1, 2), 1)]
    assert tables_of_ops(connection) == before


def test_a_server_that_does_not_answer_is_named(stack_settings: Settings):
    nowhere = replace(stack_settings.warehouse, port=1)
    with pytest.raises(WarehouseError, match=r"127\.0\.0\.1:1 does not answer"), connect(nowhere):
        pass

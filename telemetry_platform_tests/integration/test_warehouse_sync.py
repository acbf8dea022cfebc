"""The sync against the stand-in, through the real connector, killed where it hurts."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql.types import (
    DataType,
    DateType,
    DecimalType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import LakeError, WarehouseError
from telemetry_platform.lake.window import Window
from telemetry_platform.settings import PROJECT_ROOT, Settings
from telemetry_platform.warehouse.connection import connect
from telemetry_platform.warehouse.growth import grow
from telemetry_platform.warehouse.sync import Snapshot, sync

# Frozen: what was created before any column was added, whatever the contracts have become.
FIRST_TABLES = json.loads(Path(__file__).parent.with_name("first_tables.json").read_text())
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


def staging_tables(connection: Any) -> set[str]:
    """Those of killed attempts stay, for nobody is left to drop them."""
    names = ask(connection, "SELECT TABLE_NAME FROM TELEMETRY.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'OPS'")
    return {name for (name,) in names if name.startswith("STAGING_")}


def with_column(name: str, data_type: DataType | None) -> Table:
    """The table with one column of another type, added at its end, or removed."""
    fields = [one for one in REVENUE.schema.fields if one.name != name]
    added = [] if data_type is None else [StructField(name, data_type, metadata={"comment": "It's new."})]
    return replace(REVENUE, schema=StructType([*fields, *added]))


def test_a_column_the_contract_has_gained_is_added_and_old_days_hold_null(connection: Any):
    sync(connection, "TELEMETRY", snapshot(version=7, dau=1))
    new = date(2026, 1, 3)
    grown = with_column("mood", StringType())
    old = pa.Table.from_batches(snapshot(version=8, dau=2, days=(new,)).batches)
    day = old.append_column("mood", pa.array(["good"]))
    for _ in range(2):
        batches = iter(day.to_batches())
        assert sync(connection, "TELEMETRY", Snapshot(grown, Window.of_days(new, new), 8, batches)) == 1
    found = ask(connection, "SELECT EVENT_DATE, DAU, MOOD FROM TELEMETRY.GOLD.SYNC_TEST ORDER BY 1")
    assert found == [(date(2026, 1, 1), 1, None), (date(2026, 1, 2), 1, None), (new, 2, "good")]


@pytest.mark.parametrize(
    ("contract", "says"),
    [
        (with_column("dau", None), r"gold\.sync_test: column DAU is NUMBER\(18,0\) .* no longer has it"),
        (with_column("dau", IntegerType()), r"column DAU is NUMBER\(18,0\) .* makes it NUMBER\(10, 0\)"),
        (with_column("dau", StringType()), r"column DAU is NUMBER\(18,0\) .* makes it VARCHAR"),
        (with_column("revenue", DecimalType(18, 2)), r"REVENUE is NUMBER\(18,6\) .* makes it NUMBER\(18, 2\)"),
    ],
    ids=["removed", "narrowed", "retyped", "scale lost"],
)
def test_any_other_change_of_a_contract_is_refused_and_nothing_touched(connection: Any, contract: Table, says: str):
    sync(connection, "TELEMETRY", snapshot(version=7, dau=1))
    before, staging = ask(connection, "DESCRIBE TABLE TELEMETRY.GOLD.SYNC_TEST"), staging_tables(connection)
    also_grown = replace(contract, schema=StructType([*contract.schema.fields, StructField("mood", StringType())]))
    with pytest.raises(WarehouseError, match=says):
        sync(connection, "TELEMETRY", Snapshot(also_grown, DAYS, 8, snapshot(version=8, dau=2).batches))
    assert ask(connection, "DESCRIBE TABLE TELEMETRY.GOLD.SYNC_TEST") == before
    assert dau(connection) == [(date(2026, 1, 1), 1), (date(2026, 1, 2), 1)]
    assert staging_tables(connection) == staging


@pytest.mark.parametrize("name", sorted(FIRST_TABLES))
def test_a_table_made_under_its_first_contract_takes_the_contract_of_today(connection: Any, name: str):
    was = ", ".join(f"{column.upper()} {kind}" for column, kind in FIRST_TABLES[name]["snowflake"].items())
    cursor = connection.cursor()
    cursor.execute("CREATE SCHEMA IF NOT EXISTS TELEMETRY.RELEASED")
    cursor.execute(f"CREATE OR REPLACE TABLE TELEMETRY.RELEASED.WAS ({was})")
    grow(cursor, "TELEMETRY.RELEASED.WAS", TABLES[name])
    columns = {row[0].lower() for row in ask(connection, "DESCRIBE TABLE TELEMETRY.RELEASED.WAS")}
    assert columns == set(TABLES[name].schema.fieldNames())


def test_a_server_that_does_not_answer_is_named(stack_settings: Settings):
    nowhere = replace(stack_settings.warehouse, port=1)
    with pytest.raises(WarehouseError, match=r"127\.0\.0\.1:1 does not answer"), connect(nowhere):
        pass

"""A range is one run: one commit a table, hardly more Spark jobs than a day, the same rows as its days."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.log import open_table
from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.recipes import RECIPES
from telemetry_platform.settings import PROJECT_ROOT, current_settings
from telemetry_platform_tests.builders import at, bronze_event, purchase, table

FIRST = date(2026, 5, 1)
NAMES = tuple(RECIPES)

Materialize = Callable[[date, date], int]


def month_of_events(days: int) -> list[dict]:
    """Three players; one comes back every day, one every third, one pays once a week."""
    rows = []
    for number in range(days):
        day = FIRST + timedelta(days=number)
        rows.append(bronze_event(ts=at("23:50", day), player_id="daily"))
        rows.append(bronze_event(ts=at("00:05", day), player_id="daily"))
        if number % 3 == 0:
            rows.append(bronze_event(ts=at("12:00", day), player_id="third"))
        if number % 7 == 0:
            bought = purchase(ts=at("13:00", day), player_id="payer")
            rows.append(bronze_event("purchase", at("13:00", day)) | bought)
    return [row | {"arrival": "on_time", "source": "collector"} for row in rows]


@pytest.fixture
def materialize(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Materialize]:
    """Materialize silver and gold through Dagster; returns the Spark jobs it took."""
    monkeypatch.setenv("TELEMETRY_HOME", str(tmp_path))
    monkeypatch.setenv("TELEMETRY_JARS", str(PROJECT_ROOT / ".jars"))
    current_settings.cache_clear()
    lake = Lake(current_settings().lake, spark)
    bronze = TABLES["bronze.events"]
    lake.replace(
        "bronze.events", table(spark, bronze.name, month_of_events(30)), Window.of_days(FIRST, date(2026, 6, 2))
    )
    from telemetry_platform.definitions import defs

    job = defs().resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(name.split(".")) for name in NAMES]
    scheduler = spark._jsc.sc().dagScheduler()

    def run(first: date, last: date) -> int:
        before = scheduler.nextJobId()
        tags = {
            "dagster/asset_partition_range_start": first.isoformat(),
            "dagster/asset_partition_range_end": last.isoformat(),
        }
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(asset_selection=keys, tags=tags, instance=instance).success
        return scheduler.nextJobId() - before

    yield run
    current_settings.cache_clear()


def versions() -> dict[str, int]:
    tables = {name: open_table(current_settings().lake, name) for name in NAMES}
    return {name: table.version() for name, table in tables.items() if table is not None}


def contents(last: date) -> dict[str, list]:
    """Rows of all tables up to `last`; days after it may have been needed, and made, on the way."""
    found = {}
    for name in NAMES:
        opened = open_table(current_settings().lake, name)
        assert opened is not None
        day = ds.field(TABLES[name].date_column)
        rows = opened.to_pyarrow_dataset().to_table(filter=day <= last).to_pylist()
        found[name] = sorted(sorted((key, str(value)) for key, value in row.items()) for row in rows)
    return found


def test_a_month_takes_one_commit_a_table_and_at_most_three_times_the_jobs_of_a_day(materialize: Materialize):
    materialize(FIRST, FIRST)
    before = versions()
    jobs_of_a_day = materialize(FIRST, FIRST)
    jobs_of_a_month = materialize(FIRST, FIRST + timedelta(days=29))
    # Nothing that replaces nothing is no commit.
    rows = contents(FIRST + timedelta(days=29))
    assert versions() == {name: version + (2 if rows[name] else 0) for name, version in before.items()}
    assert jobs_of_a_month <= 3 * jobs_of_a_day


def test_three_days_at_once_equal_three_days_materialized_again_one_by_one(materialize: Materialize):
    last = FIRST + timedelta(days=2)
    materialize(FIRST, last)
    at_once = contents(last)
    counts = {name: len(rows) for name, rows in at_once.items()}
    assert (counts["silver.sessions"], counts["silver.player_days"], counts["gold.player_snapshots"]) == (6, 5, 9)
    for day in Window.of_days(FIRST, last):
        materialize(day, day)
    assert contents(last) == at_once

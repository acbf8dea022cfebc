"""Whatever was run before, in whatever order and groups: a partition is what the layer below says."""

import os
import random
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from telemetry_platform.lake.window import Window
from telemetry_platform_tests.spark.any_order import FIRST, Month, RunnableLake

# TELEMETRY_TEST_ORDERS=20 TELEMETRY_TEST_DAYS=30 runs the long form: hours.
ORDERS = int(os.environ.get("TELEMETRY_TEST_ORDERS", "1"))
DAYS = int(os.environ.get("TELEMETRY_TEST_DAYS", "4"))


@pytest.mark.parametrize("seed", range(ORDERS))
def test_any_order_and_grouping_of_runs_gives_the_tables_of_one_range(spark: SparkSession, tmp_path: Path, seed: int):
    chance = random.Random(seed)
    month = Month(DAYS, random.Random(1)).play()
    whole = Window.of_days(FIRST - timedelta(days=3), FIRST + timedelta(days=DAYS - 1))
    at_once = RunnableLake(tmp_path / "at_once", spark)
    piecemeal = RunnableLake(tmp_path / "piecemeal", spark)
    for rows in month.arrivals(min(DAYS // 2, 6)):
        at_once.receive(rows)
        piecemeal.receive(rows)
        newest = (max(row["event_date"] for row in rows) - whole.start).days
        for _ in range(chance.randrange(1, max(2, DAYS // 2))):
            first = whole.start + timedelta(days=chance.randrange(newest + 1))
            last = min(first + timedelta(days=chance.choice([0, 0, 1, 4])), whole.start + timedelta(days=newest))
            piecemeal.run(Window.of_days(first, last))
    left = sorted(whole, key=lambda _: chance.random())
    for day in left[: DAYS // 4]:
        piecemeal.run(Window.of_days(day, day))
    while (behind := piecemeal.pending()) is not None:
        piecemeal.run(behind)
    at_once.run(whole)
    expected, found = at_once.contents(), piecemeal.contents()
    assert {name: len(rows) for name, rows in found.items()} == {name: len(rows) for name, rows in expected.items()}
    for name, rows in expected.items():
        assert found[name] == rows, name

"""Whatever was run before, in whatever order and groups: a partition is what the layer below says."""

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from telemetry_platform.lake.window import Window
from telemetry_platform_tests.spark.any_order import FIRST, Month, RunnableLake

# TELEMETRY_TEST_ORDERS=20 TELEMETRY_TEST_DAYS=30 runs the long form: about an hour.
ORDERS = int(os.environ.get("TELEMETRY_TEST_ORDERS", "1"))
DAYS = int(os.environ.get("TELEMETRY_TEST_DAYS", "4"))
PARTS = min(DAYS // 2, 4)
WHOLE = Window.of_days(FIRST - timedelta(days=3), FIRST + timedelta(days=DAYS - 1))


def month() -> Month:
    """The same events for every order."""
    return Month(DAYS, random.Random(1)).play()


@pytest.fixture(scope="module")
def expected(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """The tables of one range over everything, run once, at the end."""
    at_once = RunnableLake(tmp_path_factory.mktemp("at_once"), spark)
    played = month()
    for rates in played.rates(PARTS):
        at_once.load(rates)
    at_once.receive(played.rows_placed())
    at_once.run(WHOLE)
    found = at_once.contents()
    assert {row["status"] for row in map(dict, found["silver.purchases"])} >= {"counted", "no_rate"}
    return found


@pytest.mark.parametrize("seed", range(ORDERS))
def test_any_order_and_grouping_of_runs_gives_the_tables_of_one_range(
    spark: SparkSession, tmp_path: Path, expected: dict[str, list], seed: int
):
    chance = random.Random(seed)
    piecemeal, played = RunnableLake(tmp_path, spark), month()
    for rates, rows in zip(played.rates(PARTS), played.arrivals(PARTS), strict=True):
        piecemeal.receive(rows)
        piecemeal.load(rates)
        newest = (max(row["event_date"] for row in rows) - WHOLE.start).days
        for window in groups(chance, newest):
            piecemeal.run(window)
    while (behind := piecemeal.pending()) is not None:
        piecemeal.run(behind)
    found = piecemeal.contents()
    assert {name: len(rows) for name, rows in found.items()} == {name: len(rows) for name, rows in expected.items()}
    for name, rows in expected.items():
        assert found[name] == rows, name


def groups(chance: random.Random, newest: int) -> Iterator[Window]:
    """Some groups of days that have come so far, in any order: single days and ranges, the rest skipped."""
    for _ in range(chance.choice([1, 2, 3])):
        first = chance.randrange(newest + 1)
        last = min(first + chance.choice([0, 0, 1, 4, 9]), newest)
        yield Window.of_days(WHOLE.start + timedelta(days=first), WHOLE.start + timedelta(days=last))

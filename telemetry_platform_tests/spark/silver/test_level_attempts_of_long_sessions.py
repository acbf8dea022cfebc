"""Attempts of a device that never pauses: a range gives what its days give, in any order."""

import json
import random
from datetime import timedelta
from pathlib import Path

from pyspark.sql import SparkSession

from telemetry_platform.lake.window import Window
from telemetry_platform_tests.spark.any_order import FIRST, Month, RunnableLake

NAME = "silver.level_attempts"
DAYS = 5


def month_of_a_bot() -> Month:
    """A bot that tries levels for three and a half days, at whole half hours so that much happens in one moment."""
    month = Month(DAYS, random.Random(5))
    for number in range(2 * 24 * 7 // 2):
        for name in month.random.choices(("level_started", "level_failed", "level_completed"), k=2):
            properties = json.dumps({"level": month.random.choice([1, "1", 2])})
            moment = month.at(0, 12 * 60 + 30 * number)
            month.event(name, moment, player_id="bot", properties=properties)
    month.event("level_started", month.at(2, 15), player_id="bot", device_id="another", properties='{"level": 1}')
    return month


def test_a_range_equals_its_days_in_any_order(spark: SparkSession, tmp_path: Path):
    month = month_of_a_bot()
    at_once, by_day = RunnableLake(tmp_path / "at_once", spark), RunnableLake(tmp_path / "by_day", spark)
    for lake in (at_once, by_day):
        lake.receive(month.rows_placed())
    at_once.run(Window.of_days(FIRST, FIRST + timedelta(days=DAYS - 1)), (NAME,))
    for number in (3, 1, 0, 4, 2):
        day = FIRST + timedelta(days=number)
        by_day.run(Window.of_days(day, day), (NAME,))
    expected = at_once.contents()[NAME]
    assert len(expected) > 80
    assert by_day.contents()[NAME] == expected

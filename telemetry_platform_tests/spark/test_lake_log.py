"""Counting rows from the log, whatever values its statistics hold."""

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.types import DateType, LongType, StringType, StructField, StructType

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.lake.log import contents
from telemetry_platform.lake.window import Window

DAY = date(2024, 3, 10)
SCHEMA = StructType(
    [StructField("day", DateType()), StructField("game_id", StringType()), StructField("id", LongType())]
)
TABLE = Table("silver.far", "Rows with far times.", SCHEMA, ("id",), "day", ("day", "game_id"))


# Before the year 1 (0001-01-01T00:00:00+01:00), the greatest and the least that Spark can hold.
@pytest.mark.parametrize("micros", [-62_135_600_400_000_000, 2**63 - 1, -(2**63)])
def test_a_time_beyond_the_calendar_in_the_statistics_does_not_keep_rows_from_being_counted(
    spark: SparkSession, tmp_path: Path, micros: int
):
    rows = spark.range(3).select(
        sf.lit(DAY).alias("day"), sf.lit("g").alias("game_id"), "id", sf.timestamp_micros(sf.lit(micros)).alias("ts")
    )
    rows.write.format("delta").partitionBy("day", "game_id").save(f"{tmp_path}/silver/far")
    counted = contents(str(tmp_path), TABLE)
    assert (counted.rows, counted.rows_by_day, counted.rows_by_game) == (3, {DAY: 3}, {"g": 3})
    assert contents(str(tmp_path), TABLE, Window.of_days(date(2024, 3, 11), date(2024, 3, 12))).rows == 0


def test_a_day_beyond_the_calendar_is_counted_among_the_rows_and_named_nowhere(spark: SparkSession, tmp_path: Path):
    day = sf.date_from_unix_date(sf.lit(-800_000))
    rows = spark.range(2).select(day.alias("day"), sf.lit("g").alias("game_id"), "id")
    rows.write.format("delta").partitionBy("day", "game_id").save(f"{tmp_path}/silver/far")
    counted = contents(str(tmp_path), TABLE)
    assert (counted.rows, counted.rows_by_day) == (2, {})

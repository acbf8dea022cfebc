"""Counting rows from the log, whatever values its statistics hold."""

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.types import DateType, LongType, StringType, StructField, StructType

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import LakeError
from telemetry_platform.lake.log import contents, current_files, newest_version, open_table, read_window
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


def grown(spark: SparkSession, lake: Path, **properties: str) -> None:
    """Twelve commits of a day each, two files of it, over a table with these properties."""
    address = f"{lake}/silver/far"
    settings = ", ".join(f"'delta.{name}' = '{value}'" for name, value in properties.items())
    spark.sql(
        f"CREATE TABLE delta.`{address}` (day DATE, game_id STRING, id BIGINT) USING delta "
        f"PARTITIONED BY (day, game_id) TBLPROPERTIES ({settings})"
    )
    for number in range(1, 13):
        rows = spark.range(6).select(sf.lit(date(2024, 3, number)).alias("day"), sf.col("id").cast("string"), "id")
        rows.toDF("day", "game_id", "id").replace({"0": "g", "1": "h"}, subset="game_id").where(
            "game_id IN ('g', 'h')"
        ).write.format("delta").mode("append").save(address)


@pytest.mark.parametrize("part_size", [None, 5])
def test_a_checkpoint_of_sparks_in_one_file_or_several_is_read(
    spark: SparkSession, tmp_path: Path, part_size: int | None
):
    if part_size is not None:
        spark.conf.set("spark.databricks.delta.checkpoint.partSize", part_size)
    try:
        grown(spark, tmp_path, checkpointInterval="5")
    finally:
        spark.conf.unset("spark.databricks.delta.checkpoint.partSize")
    parts = list((tmp_path / "silver/far/_delta_log").glob(f"{10:020}.checkpoint.*parquet"))
    assert (len(parts) > 1) == (part_size is not None)
    for version in range(11):
        (tmp_path / f"silver/far/_delta_log/{version:020}.json").unlink()
    delta = open_table(str(tmp_path), TABLE.name)
    assert delta is not None
    version, table_id, files = current_files(str(tmp_path), TABLE.name, columns=("id",))
    assert (version, table_id) == (newest_version(str(tmp_path), TABLE.name), str(delta.metadata().id))
    actions = delta.get_add_actions(flatten=True)
    expected = zip(*(actions.column(name).to_pylist() for name in ("path", "num_records", "min.id")), strict=True)
    assert sorted((f.path, f.num_records, f.min_values["id"]) for f in files) == sorted(expected)
    counted = contents(str(tmp_path), TABLE, Window.of_days(date(2024, 3, 10), DAY.replace(day=11)))
    assert counted.rows_by_day == {date(2024, 3, 10): 2, date(2024, 3, 11): 2}
    assert counted.rows_by_game == {"g": 2, "h": 2}


def test_rows_deleted_by_a_vector_are_not_counted_and_not_read_as_if_they_were_there(
    spark: SparkSession, tmp_path: Path
):
    address = f"{tmp_path}/silver/far"
    rows = spark.range(4).select(sf.lit(DAY).alias("day"), sf.lit("g").alias("game_id"), "id").coalesce(1)
    writer = rows.write.format("delta").partitionBy("day", "game_id")
    writer.option("delta.enableDeletionVectors", "true").save(address)
    spark.sql(f"DELETE FROM delta.`{address}` WHERE id = 1")
    spark.sql(f"DELETE FROM delta.`{address}` WHERE id = 3")
    assert contents(str(tmp_path), TABLE).rows == 2
    with pytest.raises(LakeError, match="deletion vector"):
        list(read_window(str(tmp_path), TABLE, Window.of_days(DAY, DAY))[1])
    spark.sql(f"REORG TABLE delta.`{address}` APPLY (PURGE)")
    (batch,) = read_window(str(tmp_path), TABLE, Window.of_days(DAY, DAY))[1]
    assert batch.column("id").to_pylist() == [0, 2]


def test_a_checkpoint_of_the_second_kind_is_refused_by_name(spark: SparkSession, tmp_path: Path):
    grown(spark, tmp_path, checkpointInterval="5", checkpointPolicy="v2")
    with pytest.raises(LakeError, match="v2Checkpoint"):
        contents(str(tmp_path), TABLE)

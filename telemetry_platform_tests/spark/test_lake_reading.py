"""Rows that a run reads: the same from a table's Parquet files as from Delta's own reader."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.log import table_path
from telemetry_platform.lake.parquet import read_parquet
from telemetry_platform.lake.session import INTERPRETED_ROWS, MOST_PARTITIONS, SORTED_ROWS, suited_to
from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window
from telemetry_platform_tests.builders import DAY, at, event, table

EVENTS = TABLES["silver.events"]
WINDOW = Window.of_days(DAY, DAY + timedelta(days=2))


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Three days of events, in a folder and of games whose names mean something to globs and addresses."""
    root = tmp_path_factory.mktemp("odd") / "a [b]*{c}?%20#é"
    lake = Lake(str(root), spark)
    rows = [
        event(ts=at("10:00", day), game_id=game, properties=f'{{"n":{number}}}')
        for number, day in enumerate(WINDOW)
        for game in ("game", "a%b", "g=1/2", "x y*[z]", "é:#?")
    ]
    lake.replace(EVENTS.name, table(spark, EVENTS.name, rows), WINDOW)
    return lake


def by_delta(lake: Lake) -> list[str]:
    frame = lake.spark.read.format("delta").load(table_path(lake.root, EVENTS.name))
    return sorted(str(row) for row in frame.collect())


def test_files_read_as_parquet_hold_what_delta_reads(lake: Lake):
    plain = read_parquet(lake.spark, table_path(lake.root, EVENTS.name), EVENTS, None)
    assert plain is not None
    assert sorted(str(row) for row in plain.collect()) == by_delta(lake)
    assert plain.count() == 15


def test_of_a_file_only_its_rows_are_noted(lake: Lake):
    log = sorted(Path(table_path(lake.root, EVENTS.name), "_delta_log").glob("*.json"))[-1]
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    notes = [json.loads(action["add"]["stats"]) for action in actions if "add" in action]
    assert notes
    # The rest took two fifths of the time that writing took, and nobody asks for it.
    assert all(note.pop("numRecords") == 1 and not any(map(bool, note.values())) for note in notes), notes


def test_only_the_days_that_are_asked_for_are_read(lake: Lake):
    days = [Window.of_days(DAY, DAY), Window.of_days(DAY + timedelta(days=2), DAY + timedelta(days=2))]
    found = lake.read(EVENTS.name, days)
    assert {row.event_date for row in found.select("event_date").collect()} == {DAY, DAY + timedelta(days=2)}
    assert len(found.inputFiles()) == 10
    assert lake.read(EVENTS.name, [Window.of_days(DAY - timedelta(days=1), DAY - timedelta(days=1))]).count() == 0


def test_deleted_rows_are_left_to_deltas_own_reader(spark: SparkSession, tmp_path: Path):
    lake = Lake(str(tmp_path), spark)
    rows = [event(ts=at(f"10:0{number}"), player_id=f"p{number}") for number in range(3)]
    lake.replace(EVENTS.name, table(spark, EVENTS.name, rows), Window.of_days(DAY, DAY))
    path = table_path(lake.root, EVENTS.name)
    spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES (delta.enableDeletionVectors = true)")
    spark.sql(f"DELETE FROM delta.`{path}` WHERE player_id = 'p1'")
    assert read_parquet(spark, path, EVENTS, None) is None
    assert {row.player_id for row in lake.read(EVENTS.name, [Window.of_days(DAY, DAY)]).collect()} == {"p0", "p2"}


def test_code_is_generated_for_many_rows_only_and_settings_come_back(spark: SparkSession):
    def plan() -> str:
        return spark.range(5).selectExpr("id + 1 AS n").where("n > 2")._jdf.queryExecution().toString()

    before = spark.conf.get("spark.sql.codegen.wholeStage")
    with suited_to(spark, INTERPRETED_ROWS):
        assert "*(1)" not in plan()
        with suited_to(spark, INTERPRETED_ROWS + 1):
            assert "*(1)" in plan()
        assert "*(1)" not in plan()
    assert "*(1)" in plan()
    assert spark.conf.get("spark.sql.codegen.wholeStage") == before


def test_many_rows_are_shuffled_into_as_many_parts_as_can_be_sorted_in_memory(spark: SparkSession):
    def parts() -> str | None:
        return spark.conf.get("spark.sql.shuffle.partitions")

    before = parts()
    with suited_to(spark, 10 * SORTED_ROWS):
        assert parts() == "10"
    with suited_to(spark, 10_000 * SORTED_ROWS):
        assert parts() == str(MOST_PARTITIONS)
    with suited_to(spark, 1):
        assert parts() == before
    assert parts() == before

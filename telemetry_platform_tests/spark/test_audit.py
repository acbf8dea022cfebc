"""A bad row costs itself: the rest of the table is written, and the fault is counted with its game."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from pyspark.sql import SparkSession

from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window
from telemetry_platform.quality.audit import GameFault
from telemetry_platform_tests.builders import DAY, at, event, player_day, rows_of, session, table

WINDOW = Window.of_days(DAY, DAY)


def test_rows_that_break_a_rule_are_set_aside_and_all_others_are_written(spark: SparkSession, tmp_path: Path):
    lake = Lake(str(tmp_path), spark)
    events = [
        event(event_id="good"),
        event(event_id="bad-2", event_version=0),
        event(event_id="bad-1", event_version=-1, arrival="never"),
        event(event_id="other", game_id="quiet"),
    ]
    written, audit = lake.replace("silver.events", table(spark, "silver.events", events), WINDOW)
    assert [row.event_id for row in rows_of(lake.read("silver.events"), "event_id")] == ["good", "other"]
    assert (written.rows, written.rows_by_game, audit.rows) == (2, {"game": 1, "quiet": 1}, 4)
    assert audit.set_aside == (
        GameFault("game", "arrival_isin", 1, ("game, bad-1",)),
        GameFault("game", "event_version_greater_than_or_equal_to", 2, ("game, bad-1", "game, bad-2")),
    )


def test_rows_that_share_a_key_or_have_none_are_set_aside(spark: SparkSession, tmp_path: Path):
    lake = Lake(str(tmp_path), spark)
    sessions = [
        session(at("10:00"), session_key="twice"),
        session(at("11:00"), session_key="twice"),
        session(at("12:00"), session_key=None),
        session(at("13:00"), session_key="twice", game_id="quiet"),
    ]
    _, audit = lake.replace("silver.sessions", table(spark, "silver.sessions", sessions), WINDOW)
    assert [row.game_id for row in lake.read("silver.sessions").collect()] == ["quiet"]
    assert {(fault.rule, fault.rows) for fault in audit.set_aside} == {
        ("shares_key", 2),
        ("key_is_null", 1),
        ("session_key_is_null", 1),
    }


def test_a_sum_that_its_column_cannot_hold_is_null_and_named_and_its_row_is_written(
    spark: SparkSession, tmp_path: Path
):
    lake = Lake(str(tmp_path), spark)
    days = table(spark, "silver.player_days", [player_day(), player_day(player_id="p2", game_id="quiet")])
    too_large = days.withColumns(
        {"refunds": days["refunds"].cast("decimal(30,6)") + Decimal(10) ** 15 * (days["game_id"] == "game").cast("int")}
    )
    _, audit = lake.replace("silver.player_days", too_large, WINDOW)
    found = {row.game_id: row.refunds for row in lake.read("silver.player_days").collect()}
    assert found == {"game": None, "quiet": Decimal("0.000000")}
    assert (audit.set_aside, audit.unfit) == (
        (),
        (GameFault("game", "refunds_does_not_fit", 1, (f"{DAY}, game, p1",)),),
    )


def test_a_game_that_is_held_back_keeps_the_rows_it_has(spark: SparkSession, tmp_path: Path):
    lake = Lake(str(tmp_path), spark)
    before = [player_day(event_count=1), player_day(game_id="it's", event_count=1)]
    after = [player_day(event_count=2), player_day(game_id="it's", event_count=2)]
    lake.replace("silver.player_days", table(spark, "silver.player_days", before), WINDOW)
    lake.replace("silver.player_days", table(spark, "silver.player_days", after), WINDOW, without_games={"it's"})
    found = {row.game_id: row.event_count for row in lake.read("silver.player_days").collect()}
    assert found == {"game": 2, "it's": 1}


def test_good_rows_are_not_looked_at_twice(spark: SparkSession, tmp_path: Path):
    lake = Lake(str(tmp_path), spark)
    days = [player_day(day) for day in (DAY, DAY + timedelta(days=1))]
    window = Window.of_days(DAY, date.fromordinal(DAY.toordinal() + 1))
    _, audit = lake.replace("silver.player_days", table(spark, "silver.player_days", days), window)
    assert (audit.rows, audit.set_aside, audit.unfit) == (2, (), ())

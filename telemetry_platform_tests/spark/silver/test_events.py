from datetime import date, timedelta

from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.games.game import Game
from telemetry_platform.games.game import TestSubject as Subject
from telemetry_platform.lake.tables import conform
from telemetry_platform.transforms.silver.events import classify_deliveries, to_events
from telemetry_platform_tests.builders import DAY, GAME, at, bronze_event, rows_of, table

NEXT_DAY = DAY + timedelta(days=1)


def silver(
    spark: SparkSession,
    rows: list[dict],
    games: dict[str, Game] | None = None,
    end: date = NEXT_DAY,
    links: dict[str, str] | None = None,
) -> list:
    """Events of the rows, with accounts of ids that are linked from the next day on."""
    linked = [
        {"valid_from_date": NEXT_DAY, "game_id": GAME, "device_or_guest_id": id_, "account_id": account}
        for id_, account in {**(links or {}), **{account: account for account in (links or {}).values()}}.items()
    ]
    found = table(spark, "silver.identity_links", linked) if links else None
    events = to_events(table(spark, "bronze.events", rows), start=DAY, end=end, games=games or {}, links=found)
    return rows_of(conform(events, TABLES["silver.events"]), "event_ts", "event_id")


def test_no_bronze_rows_give_no_events(spark: SparkSession) -> None:
    assert silver(spark, []) == []


def test_redelivered_event_is_kept_once_and_the_earliest_copy_wins(spark: SparkSession) -> None:
    rows = [
        bronze_event(event_id="a", received_ts=at("12:05"), session_id="late"),
        bronze_event(event_id="a", received_ts=at("12:01"), session_id="first"),
    ]
    assert [row.session_id for row in silver(spark, rows)] == ["first"]


def test_same_id_in_another_game_is_another_event(spark: SparkSession) -> None:
    assert len(silver(spark, [bronze_event(event_id="a"), bronze_event(event_id="a", game_id="other")])) == 2


def test_copy_that_moved_across_midnight_counts_on_the_day_of_the_first_delivery(spark: SparkSession) -> None:
    rows = [
        bronze_event(ts=at("23:59:59", DAY - timedelta(days=1)), event_id="a", received_ts=at("00:00:01")),
        bronze_event(ts=at("00:00:02"), event_id="a", received_ts=at("00:00:09")),
    ]
    assert silver(spark, rows) == []


def test_range_is_half_open(spark: SparkSession) -> None:
    rows = [bronze_event(ts=at("00:00")), bronze_event(ts=at("00:00", NEXT_DAY))]
    assert [row.event_date for row in silver(spark, rows)] == [DAY]


def test_device_is_the_player_when_none_was_sent(spark: SparkSession) -> None:
    (row,) = silver(spark, [bronze_event(player_id=None)])
    assert (row.player_id, row.sent_player_id) == ("d1", None)


def test_the_account_of_the_sent_id_is_the_player_from_the_day_of_the_link_on(spark: SparkSession) -> None:
    rows = [
        bronze_event(ts=at("23:59"), event_id="a", player_id="guest"),
        bronze_event(ts=at("00:00", NEXT_DAY), event_id="b", player_id="guest"),
        bronze_event(ts=at("00:01", NEXT_DAY), event_id="c", player_id=None, device_id="phone"),
        bronze_event(ts=at("00:02", NEXT_DAY), event_id="d", player_id="other", device_id="phone"),
        bronze_event(ts=at("00:03", NEXT_DAY), event_id="e", player_id="account"),
        bronze_event(ts=at("00:04", NEXT_DAY), event_id="f", player_id="guest", game_id="other"),
    ]
    found = silver(spark, rows, end=NEXT_DAY + timedelta(days=1), links={"guest": "account", "phone": "account"})
    assert [(row.event_id, row.player_id, row.sent_player_id) for row in found] == [
        ("a", "guest", "guest"),
        ("b", "account", "guest"),
        ("c", "account", None),
        ("d", "other", "other"),
        ("e", "account", "account"),
        ("f", "guest", "guest"),
    ]


def test_the_test_list_holds_for_the_sent_id_and_for_its_account(spark: SparkSession) -> None:
    testers = (Subject("guest", DAY), Subject("account2", DAY))
    links = {"guest": "account", "guest2": "account2"}
    rows = [bronze_event(ts=at("12:00", NEXT_DAY), event_id=id_, player_id=id_) for id_ in ("account", *links)]
    games = {GAME: Game(game_id=GAME, name="Game", test_players=testers)}
    found = silver(spark, rows, games, end=NEXT_DAY + timedelta(days=1), links=links)
    assert {row.event_id: row.is_excluded for row in found} == {"account": False, "guest": True, "guest2": True}


def test_traffic_that_is_not_production_is_flagged(spark: SparkSession) -> None:
    rows = [
        bronze_event(event_id="a", environment="staging"),
        bronze_event(event_id="b", environment=None),
        bronze_event(event_id="c"),
    ]
    assert [row.is_excluded for row in silver(spark, rows)] == [True, False, False]


def test_test_list_holds_from_its_day_on(spark: SparkSession) -> None:
    game = Game(
        game_id=GAME,
        name="Game",
        test_players=(Subject("tester", DAY),),
        test_builds=(Subject("9.9", NEXT_DAY),),
    )
    rows = [
        bronze_event(event_id="a", player_id="tester"),
        bronze_event(event_id="b", build_version="9.9"),
        bronze_event(event_id="c", build_version=None),
        bronze_event(event_id="d", player_id="tester", game_id="other"),
        bronze_event(ts=at("01:00", NEXT_DAY), event_id="e", build_version="9.9"),
        bronze_event(ts=at("02:00", NEXT_DAY), event_id="f", player_id=None, device_id="tester"),
    ]
    found = silver(spark, rows, {GAME: game}, end=NEXT_DAY + timedelta(days=1))
    assert {row.event_id: row.is_excluded for row in found} == {
        "a": True,
        "b": False,
        "c": False,
        "d": False,
        "e": True,
        "f": True,
    }


def test_later_copy_with_other_content_is_a_collision(spark: SparkSession) -> None:
    rows = [
        bronze_event(event_id="a", received_ts=at("12:01"), kafka_offset=1),
        bronze_event(event_id="a", received_ts=at("12:02"), kafka_offset=2),
        bronze_event(event_id="a", received_ts=at("12:03"), kafka_offset=3, level=7),
    ]
    found = rows_of(classify_deliveries(table(spark, "bronze.events", rows)), "kafka_offset")
    assert [row.delivery for row in found] == ["kept", "natural_copy", "id_collision"]

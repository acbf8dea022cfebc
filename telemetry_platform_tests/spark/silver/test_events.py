import random
from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.games.game import Game
from telemetry_platform.games.game import TestSubject as Subject
from telemetry_platform.lake.tables import conform
from telemetry_platform.lake.window import Window
from telemetry_platform.transforms.silver.events import (
    EVENT,
    ID_COLLISION,
    NATURAL_COPY,
    repeated_ids,
    to_deliveries,
    to_events,
)
from telemetry_platform.transforms.silver.unsent_ids import to_unsent_ids
from telemetry_platform_tests.builders import DAY, GAME, at, bronze_event, rows_of, table

NEXT_DAY = DAY + timedelta(days=1)
ARRIVALS = ("on_time", "on_time", "late", "imported")
Rows = list[dict] | None


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


def fates(spark: SparkSession, rows: list[dict], start: date = DAY, end: date = NEXT_DAY, unsent: Rows = None) -> dict:
    """Fate of each row of the days, and the offset of the copy it was compared with, by its own offset."""
    bronze = table(spark, "bronze.events", rows)
    known = None if unsent is None else to_unsent_ids(table(spark, "bronze.events", unsent))
    found = to_deliveries(bronze, repeated_ids(bronze, known), start=start, end=end, unsent=known)
    return {row.kafka_offset: (row.fate, row.first_copy, row.shares_key) for row in found.collect()}


def test_later_copy_with_other_content_is_a_collision_with_the_first(spark: SparkSession) -> None:
    rows = [
        bronze_event(event_id="a", received_ts=at("12:01"), kafka_offset=1, level=6),
        bronze_event(event_id="A", received_ts=at("12:02"), kafka_offset=2, properties='{"level":6.0}'),
        bronze_event(event_id="a", received_ts=at("12:03"), kafka_offset=3, level=7),
        bronze_event(event_id="a", received_ts=at("12:04"), kafka_offset=4, level=7),
        bronze_event(event_id="b", kafka_offset=5, level=7),
    ]
    first = "telemetry.events.v1-0@1"
    assert fates(spark, rows) == {
        1: (EVENT, None, False),
        2: (NATURAL_COPY, first, False),
        3: (ID_COLLISION, first, False),
        4: (ID_COLLISION, first, False),
        5: (EVENT, None, False),
    }


def test_rows_without_sending_time_are_compared_with_what_is_known_of_copies_far_away(spark: SparkSession) -> None:
    before = at("12:00", DAY - timedelta(days=20))
    far = bronze_event(event_id="a", ts=before, kafka_offset=1, level=1)
    rows = [
        bronze_event(event_id="a", kafka_offset=2, level=1, created_ts=before),
        bronze_event(event_id="A", kafka_offset=3, level=2, created_ts=before),
        bronze_event(event_id="a", kafka_offset=4, level=1, created_ts=before, sent_ts=at("12:00")),
    ]
    first, nearby = "telemetry.events.v1-0@1", "telemetry.events.v1-0@2"
    assert fates(spark, rows, unsent=[far]) == {
        2: (NATURAL_COPY, first, False),
        3: (ID_COLLISION, first, False),
        4: (NATURAL_COPY, nearby, False),
    }


def test_two_rows_of_one_record_share_their_key(spark: SparkSession) -> None:
    rows = [bronze_event(event_id="a", kafka_offset=1), bronze_event(event_id="b", kafka_offset=2)]
    bronze = table(spark, "bronze.events", [*rows, rows[0]])
    found = to_deliveries(bronze, repeated_ids(bronze), start=DAY, end=NEXT_DAY).orderBy("kafka_offset").collect()
    assert [(row.kafka_offset, row.fate, row.shares_key) for row in found] == [
        (1, EVENT, True),
        (1, EVENT, True),
        (2, EVENT, False),
    ]


def expected_fates(rows: Sequence[dict], day: date) -> dict[int, str]:
    """Fate of each row of one day as metrics.md says it, one row at a time."""

    def order(row: dict) -> tuple:
        return row["received_ts"], row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]

    def is_unsent(row: dict) -> bool:
        return row["sent_ts"] is None and row["arrival"] != "imported"

    found = {}
    for row in (row for row in rows if row["event_date"] == day):
        copies = [
            one
            for one in rows
            if one["event_id"].lower() == row["event_id"].lower()
            and abs((one["event_date"] - day).days) <= (30 if is_unsent(row) and is_unsent(one) else 1)
        ]
        first = min(copies, key=order)
        fate = EVENT if first is row else NATURAL_COPY if first["player_id"] == row["player_id"] else ID_COLLISION
        found[row["kafka_offset"]] = fate
    return found


@pytest.mark.parametrize("seed", range(3))
def test_every_row_has_the_fate_that_its_own_days_give_it_alone_and_in_a_range(spark: SparkSession, seed: int) -> None:
    chance = random.Random(seed)
    rows = []
    for offset in range(300):
        day = DAY + timedelta(days=chance.choice([0, 1, 2, 3, 4, 12, 32, 33]))
        received = at("12:00", day) + timedelta(minutes=chance.randrange(60))
        row = bronze_event(event_id=chance.choice("abcdefABCDEF") + str(chance.randrange(12)), ts=received)
        row |= {"created_ts": at("12:00"), "player_id": chance.choice(["p1", "p1", "p2"]), "kafka_offset": offset}
        rows.append(row | {"sent_ts": chance.choice([None, None, received]), "arrival": chance.choice(ARRIVALS)})
    start, end = DAY + timedelta(days=1), DAY + timedelta(days=4)
    expected = {day: expected_fates(rows, day) for day in Window(start, end)}

    def found(window: Window) -> dict[int, str]:
        near = window.widened(before=1, after=1)
        within = [row for row in rows if row["event_date"] in set(near)]
        away = [row for row in rows if row["event_date"] not in set(near)]
        return {
            offset: fate for offset, (fate, _, _) in fates(spark, within, window.start, window.end, unsent=away).items()
        }

    assert {day: found(Window.of_days(day, day)) for day in expected} == expected
    assert found(Window(start, end)) == {
        offset: fate for of_day in expected.values() for offset, fate in of_day.items()
    }
    assert {fate for of_day in expected.values() for fate in of_day.values()} == {EVENT, NATURAL_COPY, ID_COLLISION}

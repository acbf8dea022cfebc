from datetime import date, timedelta

from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.games.game import Game
from telemetry_platform.lake.tables import conform
from telemetry_platform.transforms.silver.sessions import never_paused, to_sessions
from telemetry_platform_tests.builders import DAY, GAME, at, event, rows_of, table

NEXT_DAY = DAY + timedelta(days=1)
CLOSED = DAY + timedelta(days=30)


def sessions(
    spark: SparkSession,
    rows: list[dict],
    *,
    start: date = DAY,
    end: date = NEXT_DAY,
    games: dict | None = None,
    closed_through: date = CLOSED,
) -> list:
    events = table(spark, "silver.events", rows)
    found = to_sessions(events, start=start, end=end, games=games or {}, closed_through=closed_through)
    return rows_of(conform(found, TABLES["silver.sessions"]), "started_ts", "player_id", "device_id")


def test_no_events_give_no_sessions(spark: SparkSession) -> None:
    assert sessions(spark, []) == []


def test_gap_of_exactly_thirty_minutes_stays_inside_and_a_longer_one_splits(spark: SparkSession) -> None:
    rows = [event(ts=at(t)) for t in ("12:00", "12:30", "13:00:00.000001")]
    assert [(row.event_count, row.duration_seconds) for row in sessions(spark, rows)] == [(2, 1800.0), (1, 0.0)]


def test_gap_of_the_game_counts(spark: SparkSession) -> None:
    rows = [event(ts=at(t)) for t in ("12:00", "12:30")]
    game = Game(game_id=GAME, name="Game", session_gap_minutes=10)
    assert len(sessions(spark, rows, games={GAME: game})) == 2


def test_each_device_has_its_own_sessions_and_no_device_is_one_device(spark: SparkSession) -> None:
    rows = [event(), event(ts=at("12:01"), device_id="d2"), event(device_id=None), event(device_id=None)]
    found = sessions(spark, rows)
    assert sorted((row.device_id or "", row.event_count) for row in found) == [("", 2), ("d1", 1), ("d2", 1)]
    assert len({row.session_key for row in found}) == 3


def test_refunds_server_events_and_excluded_events_make_no_session(spark: SparkSession) -> None:
    rows = [event("refund"), event(platform="server"), event(is_excluded=True)]
    assert sessions(spark, rows) == []


def test_event_without_platform_makes_a_session(spark: SparkSession) -> None:
    assert len(sessions(spark, [event(platform=None)])) == 1


def test_session_across_midnight_belongs_whole_to_the_day_it_starts(spark: SparkSession) -> None:
    rows = [event(ts=at("23:50")), event(ts=at("00:10", NEXT_DAY))]
    (row,) = sessions(spark, rows)
    assert (row.session_date, row.event_count, row.duration_seconds) == (DAY, 2, 1200.0)
    assert sessions(spark, rows, start=NEXT_DAY, end=NEXT_DAY + timedelta(days=1)) == []


def test_last_known_value_wins_over_a_later_null(spark: SparkSession) -> None:
    rows = [
        event(ts=at("12:00"), country="DE", build_version="1.0"),
        event(ts=at("12:01"), country="FR", build_version=None),
        event(ts=at("12:02"), country=None, build_version=None),
    ]
    (row,) = sessions(spark, rows)
    assert (row.platform, row.country, row.build_version) == ("ios", "FR", "1.0")


def test_value_known_in_an_earlier_session_says_nothing_of_a_later_one(spark: SparkSession) -> None:
    rows = [event(ts=at("12:00"), country="FR"), event(ts=at("15:00"), country=None), event(ts=at("15:01"))]
    assert [row.country for row in sessions(spark, rows[:2])] == ["FR", None]
    assert [row.country for row in sessions(spark, rows)] == ["FR", event()["country"]]


def test_session_that_never_pauses_is_cut_after_seven_days_and_a_range_equals_its_days(spark: SparkSession) -> None:
    half_hours = (at("06:00") + timedelta(minutes=30 * n) for n in range(48 * 9))
    rows = [event(ts=ts) for ts in half_hours]
    (row,) = sessions(spark, rows)
    assert row.is_truncated
    assert row.ended_ts.isoformat() == "2024-03-17T23:30:00"
    last = DAY + timedelta(days=12)
    assert [found.session_key for found in sessions(spark, rows, end=last)] == [row.session_key]
    assert sessions(spark, rows, start=NEXT_DAY, end=last) == []


def test_session_that_ended_is_not_truncated(spark: SparkSession) -> None:
    (row,) = sessions(spark, [event(ts=at("23:59:59"))])
    assert not row.is_truncated


def test_no_characters_in_ids_make_two_sessions_one(spark: SparkSession) -> None:
    pairs = [("a\x1fb", "c"), ("a", "b\x1fc"), ("a:1", "b"), ("a", "1:b"), ("1:a", None), ("1", ":a"), ("a1:", "b")]
    found = sessions(spark, [event(player_id=player, device_id=device) for player, device in pairs])
    assert len({row.session_key for row in found}) == len(pairs)


def test_session_that_may_still_go_on_is_open_until_the_day_it_may_go_on_to_is_closed(spark: SparkSession) -> None:
    rows = [event(ts=at("23:50")), event(ts=at("00:10", NEXT_DAY)), event(ts=at("20:00"), player_id="other")]
    found = [sessions(spark, rows, closed_through=day) for day in (DAY - timedelta(days=1), DAY, NEXT_DAY)]
    assert [[row.is_open for row in rows] for rows in found] == [[True, True], [False, True], [False, False]]


def test_only_who_is_never_silent_for_longer_than_the_gap_may_go_on_from_before_a_day_to_after_it(
    spark: SparkSession,
) -> None:
    rows = [event(ts=at(f"{minute // 60:02}:{minute % 60:02}"), player_id="bot") for minute in range(20, 1440, 30)]
    rows += [row | {"player_id": "sleeper"} for row in rows if row["event_ts"].hour != 4]
    rows += [row | {"player_id": "early"} for row in rows if row["event_ts"].hour < 23]
    rows += [row | {"player_id": "server", "platform": "server"} for row in rows]
    rows += [event(ts=at(text), player_id="visitor") for text in ("00:00", "12:00", "23:59")]
    found = never_paused(table(spark, "silver.events", rows), day=DAY, games={})
    assert {row.player_id for row in found.collect()} == {"bot"}

from datetime import date, timedelta

import pytest
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.quality.audit import AuditedRows
from telemetry_platform.transforms.silver.level_attempts import to_level_attempts
from telemetry_platform.transforms.silver.sessions import to_sessions
from telemetry_platform_tests.builders import DAY, at, event, rows_of, table

NEXT_DAY = DAY + timedelta(days=1)
CLOSED = DAY + timedelta(days=30)
LEVEL_ATTEMPTS = TABLES["silver.level_attempts"]


def started(text: str = "12:00", day: date = DAY, **values) -> dict:
    return event("level_started", at(text, day), **({"level": "1"} | values))


def completed(text: str, day: date = DAY, **values) -> dict:
    return event("level_completed", at(text, day), **({"level": "1"} | values))


def failed(text: str, day: date = DAY, **values) -> dict:
    return event("level_failed", at(text, day), **({"level": "1"} | values))


def attempts(
    spark: SparkSession, rows: list[dict], *, start: date = DAY, end: date = NEXT_DAY, closed_through: date = CLOSED
) -> list:
    events = table(spark, "silver.events", rows)
    days = {"start": start - timedelta(days=7), "end": end, "closed_through": closed_through}
    sessions = to_sessions(events, games={}, **days)
    found = to_level_attempts(events, sessions, **(days | {"start": start}))
    return rows_of(found, "started_ts", "event_id")


def ends(rows: list) -> list[tuple]:
    return [(row.level, row.seconds, row.fails, row.outcome) for row in rows]


def test_an_attempt_ends_with_its_completion_the_next_start_or_the_session(spark: SparkSession):
    rows = [started("12:00"), failed("12:01"), failed("12:02"), completed("12:03", score=7)]
    rows += [
        started("12:05", level="2"),
        failed("12:06", level="2"),
        started("12:07", level="2"),
        event(ts=at("12:09")),
    ]
    assert ends(attempts(spark, rows)) == [
        ("1", 180.0, 2, "completed"),
        ("2", 120.0, 1, "failed"),
        ("2", 120.0, 0, "abandoned"),
    ]


def test_no_level_events_give_no_attempts(spark: SparkSession):
    assert attempts(spark, [event(), completed("12:01"), failed("12:02")]) == []


def test_what_happens_after_the_end_is_in_no_attempt(spark: SparkSession):
    rows = [started("12:00"), completed("12:01"), failed("12:02"), completed("12:03")]
    rows += [started("15:00"), failed("15:31"), completed("15:32")]
    assert ends(attempts(spark, rows)) == [("1", 60.0, 0, "completed"), ("1", 0.0, 0, "abandoned")]


def test_another_level_another_player_and_another_device_end_nothing_but_a_start_elsewhere_does(spark: SparkSession):
    rows = [started(), completed("12:01", level="2"), completed("12:02", player_id="p2"), failed("12:03", level="9")]
    rows += [completed("12:04", device_id="d2"), started("12:05", device_id="d2"), completed("12:06")]
    rows += [completed("12:07", device_id="d2")]
    found = attempts(spark, rows)
    assert ends(found) == [("1", 300.0, 0, "abandoned"), ("1", 120.0, 0, "completed")]
    assert len({row.session_key for row in found}) == 2


def test_no_device_is_one_device(spark: SparkSession):
    (row,) = attempts(spark, [started(device_id=None), completed("12:01", device_id=None)])
    assert (row.device_id, row.outcome) == (None, "completed")


def test_an_attempt_across_midnight_belongs_whole_to_the_day_it_starts(spark: SparkSession):
    rows = [started("23:50"), failed("23:59:59.999999"), failed("00:00", NEXT_DAY), completed("00:10", NEXT_DAY)]
    assert ends(attempts(spark, rows)) == [("1", 1200.0, 2, "completed")]
    assert attempts(spark, rows, start=NEXT_DAY, end=NEXT_DAY + timedelta(days=1)) == []


def test_an_attempt_in_a_session_from_the_day_before_is_found(spark: SparkSession):
    rows = [event(ts=at("23:50")), started("00:05", NEXT_DAY), event(ts=at("00:06", NEXT_DAY))]
    (row,) = attempts(spark, rows, start=NEXT_DAY, end=NEXT_DAY + timedelta(days=1))
    assert (row.event_date, row.seconds, row.outcome) == (NEXT_DAY, 60.0, "abandoned")


def test_a_fail_and_the_next_try_in_one_moment_are_the_end_of_one_attempt_and_the_start_of_another(
    spark: SparkSession,
):
    rows = [started("12:00"), failed("12:01"), started("12:01"), completed("12:02"), started("12:02", level="2")]
    assert ends(attempts(spark, rows)) == [
        ("1", 60.0, 1, "failed"),
        ("1", 60.0, 0, "completed"),
        ("2", 0.0, 0, "abandoned"),
    ]


def test_a_level_that_is_won_in_the_moment_of_its_start_is_completed(spark: SparkSession):
    rows = [started("11:59", level="0"), started(), failed("12:00"), completed("12:00"), started(level="2")]
    assert sorted(ends(attempts(spark, rows))) == [
        ("0", 60.0, 0, "abandoned"),
        ("1", 0.0, 1, "completed"),
        ("2", 0.0, 0, "abandoned"),
    ]


def test_a_tie_at_midnight_belongs_to_the_attempt_before_whatever_days_are_computed_together(spark: SparkSession):
    rows = [started("23:59"), completed("00:00", NEXT_DAY), started("00:00", NEXT_DAY), failed("00:01", NEXT_DAY)]
    last = NEXT_DAY + timedelta(days=1)
    by_day = attempts(spark, rows) + attempts(spark, rows, start=NEXT_DAY, end=last)
    assert ends(by_day) == [("1", 60.0, 0, "completed"), ("1", 60.0, 1, "failed")]
    assert attempts(spark, rows, end=last) == by_day


def test_starts_of_one_moment_are_an_attempt_each_and_the_last_by_id_goes_on(spark: SparkSession):
    rows = [started(event_id="b"), started(event_id="a"), completed("12:01")]
    assert [(row.event_id, row.outcome) for row in attempts(spark, rows)] == [("a", "abandoned"), ("b", "completed")]


def test_a_level_is_the_same_as_a_number_and_as_text(spark: SparkSession):
    (row,) = attempts(spark, [started(level=3, level_index=2), completed("12:01", level="3")])
    assert (row.level, row.level_index, row.outcome) == ("3", 2, "completed")


def test_excluded_events_servers_and_events_outside_sessions_make_no_attempt(spark: SparkSession):
    half_hours = [event(ts=at("00:00") + timedelta(minutes=30 * n), player_id="bot") for n in range(48 * 9)]
    outside = started("12:00", DAY + timedelta(days=8), player_id="bot")
    rows = [started(is_excluded=True), started(platform="server"), *half_hours, outside]
    assert attempts(spark, rows, end=DAY + timedelta(days=9)) == []


@pytest.mark.parametrize(
    ("values", "broken"),
    [
        ({"level": None}, {"level_is_null"}),
        ({"properties": "{"}, {"level_is_null"}),
        ({"level_index": -1}, {"level_index_greater_than_or_equal_to"}),
        ({"level_index": 2**70}, set()),
        ({"level_index": "first"}, set()),
        ({"level": 2**70}, set()),
    ],
)
def test_a_start_that_its_contract_does_not_take_costs_itself(spark: SparkSession, values: dict, broken: set[str]):
    events = table(spark, "silver.events", [started(**values), started(player_id="p2")])
    days = {"start": DAY, "end": NEXT_DAY, "closed_through": CLOSED}
    rows = to_level_attempts(events, to_sessions(events, games={}, **days), **days)
    found = AuditedRows(rows, LEVEL_ATTEMPTS)
    assert found.accepted.count() == (1 if broken else 2)
    assert {fault.rule for fault in found.audit().set_aside} == broken


def test_an_attempt_is_open_while_its_session_is_and_its_own_end_is_not_of_a_closed_day(spark: SparkSession):
    rows = [started("23:40"), completed("23:45"), started("23:50"), event(ts=at("00:10", NEXT_DAY))]
    rows += [started("20:00", player_id="p2")]
    days = (DAY - timedelta(days=1), DAY, NEXT_DAY, date.max)
    found = {day: [row.is_open for row in attempts(spark, rows, closed_through=day)] for day in days}
    assert list(found.values()) == [[True] * 3, [False, False, True], [False] * 3, [False] * 3]

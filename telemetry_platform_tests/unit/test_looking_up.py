"""What is looked up in stored tables without a JVM."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.log import rows_by_day_and_game
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.affected import Touched, level_attempts, sessions
from telemetry_platform.partitions.looking_up import activity_outside_sessions, event_names
from telemetry_platform_tests.builders import DAY, at, event, session


def day(number: int) -> date:
    return DAY + timedelta(days=number)


def store(root: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Write a table as the product lays it out."""
    table = TABLES[name]
    schema = pa.schema([(field.name, field.type) for field in to_arrow_schema(table.schema, timezone="UTC")])
    data = pa.Table.from_pylist([{column: row.get(column) for column in schema.names} for row in rows], schema=schema)
    write_deltalake(str(root / name.replace(".", "/")), data, partition_by=list(table.partition_by))


def long_session(first: int, last: datetime, **values: Any) -> dict[str, Any]:
    started = at("12:00", day(first))
    return session(started, (last - started).total_seconds(), **values)


def test_rows_are_counted_by_day_and_game_from_the_log(tmp_path: Path):
    rows = [event(), event(), event(game_id="other"), event(ts=at("12:00", day(1))), event(ts=at("12:00", day(5)))]
    store(tmp_path, "silver.events", rows)
    found = rows_by_day_and_game(str(tmp_path), TABLES["silver.events"], Window.of_days(DAY, day(1)))
    assert found == {(DAY, "game"): 2, (DAY, "other"): 1, (day(1), "game"): 1}


def test_event_names_of_a_window_are_those_of_each_game_and_of_some_alone_on_request(tmp_path: Path):
    rows = [event("a"), event("a"), event("b", game_id="other"), event("c", at("12:00", day(1)))]
    store(tmp_path, "silver.events", rows)
    window = Window.of_days(DAY, DAY)
    assert event_names(str(tmp_path), window) == {("game", "a"), ("other", "b")}
    assert event_names(str(tmp_path), window, among={"b", "c"}) == {("other", "b")}
    assert event_names(str(tmp_path), Window.of_days(day(7), day(9))) == set()
    assert event_names(str(tmp_path / "nothing"), window) == set()


def test_what_a_cut_device_plays_on_is_outside_sessions_and_what_anybody_else_does_is_not(tmp_path: Path):
    ended = at("23:50", day(-1))
    store(
        tmp_path,
        "silver.sessions",
        [
            long_session(-8, ended, player_id="bot", is_truncated=True),
            long_session(0, at("12:30"), player_id="bot"),
            long_session(-8, ended, player_id="never_seen_again", is_truncated=True),
        ],
    )
    outside = [event(ts=at(text), player_id="bot") for text in ("00:10", "11:59", "12:31")]
    inside = [event(ts=at(text), player_id="bot") for text in ("12:00", "12:15", "12:30")]
    others = [event(), event(player_id="bot", device_id="d2"), event(player_id="bot", game_id="other")]
    no_activity = {"ts": at("01:00"), "player_id": "bot"}
    uncounted = [event(**no_activity, is_excluded=True), event(**no_activity, platform="server")]
    store(tmp_path, "silver.events", [*outside, *inside, *others, *uncounted, event("refund", **no_activity)])
    window = Window.of_days(DAY, DAY)
    assert activity_outside_sessions(str(tmp_path), window, day(-60)) == {"game": 3}


@pytest.mark.parametrize("is_truncated", [None, False])
def test_without_a_session_that_was_cut_nothing_is_outside(tmp_path: Path, is_truncated: bool | None):
    store(tmp_path, "silver.events", [event()])
    if is_truncated is not None:
        store(tmp_path, "silver.sessions", [session(at("20:00"), is_truncated=is_truncated)])
    assert activity_outside_sessions(str(tmp_path), Window.of_days(DAY, DAY), day(-60)) == {}


def test_attempts_are_restated_on_all_days_of_the_sessions_that_may_change(tmp_path: Path):
    stored = [
        long_session(-5, at("23:45", day(-1)), session_key="reaches within a gap"),
        long_session(-4, at("23:20", day(-1)), session_key="ended before"),
        long_session(1, at("10:00", day(4)), session_key="may be joined to"),
        long_session(2, at("10:00", day(6)), session_key="begins too late"),
    ]
    store(tmp_path, "silver.sessions", stored)
    touched = Touched(str(tmp_path), frozenset({DAY}), {})
    assert sessions(touched) == {day(n) for n in (-5, -1, 0, 1)}
    assert level_attempts(touched) == {day(n) for n in (-5, -4, -3, -2, -1, 0, 1, 2, 3, 4)}

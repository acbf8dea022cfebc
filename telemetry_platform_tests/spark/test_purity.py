"""What a run makes sure of, refuses or marks, so that a partition does not depend on what else was run."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from telemetry_platform.errors import LakeError
from telemetry_platform.lake.exchange_rates import Rate
from telemetry_platform.lake.manifest import Materialized, begin, materialized_days
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.affected import closing_window, days_with_other_rates
from telemetry_platform.partitions.publishing import materialize
from telemetry_platform_tests.builders import DAY, at, bronze_event
from telemetry_platform_tests.spark.any_order import RunnableLake

NEXT = DAY + timedelta(days=1)
UP_TO_SESSIONS = ("silver.events", "silver.sessions")


def sent(ts: Any, **values: Any) -> dict[str, Any]:
    """Return a row of bronze that says when it was sent."""
    arrival = "imported" if values.get("source") == "import" else "on_time"
    return bronze_event(ts=ts) | {"sent_ts": ts, "arrival": arrival, "source": "collector"} | values


def one_day(day: date) -> Window:
    return Window.of_days(day, day)


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> RunnableLake:
    return RunnableLake(tmp_path, spark, start_date=DAY - timedelta(days=60))


def sessions_of(lake: RunnableLake) -> list[tuple]:
    rows = lake.spark.read.format("delta").load(f"{lake.root}/silver/sessions").orderBy("started_ts").collect()
    return [(row.session_date, row.duration_seconds, row.is_open) for row in rows]


def first_seen(lake: RunnableLake, day: date) -> dict[str, date]:
    rows = lake.spark.read.format("delta").load(f"{lake.root}/gold/player_snapshots").where(f"snapshot_date = '{day}'")
    return {row.game_id: row.first_seen_date for row in rows.collect()}


def test_a_session_across_midnight_is_whole_when_its_day_is_run_before_the_next_one(lake: RunnableLake):
    lake.receive([sent(at("23:50")), sent(at("00:15", NEXT)), sent(at("00:40", NEXT))])
    lake.run(one_day(DAY), UP_TO_SESSIONS)
    assert sessions_of(lake) == [(DAY, 3000.0, False)]


def test_a_session_that_goes_on_past_the_closing_of_its_day_is_open_and_whole_after_the_next_closing(
    lake: RunnableLake,
):
    lake.receive([sent(at(text)) for text in ("23:50", "23:59")])
    lake.receive([sent(at(text, NEXT)) for text in ("00:20", "00:50", "01:20", "01:50", "02:10")])
    at_closing = replace(lake, closed_through=DAY)
    at_closing.run(closing_window(DAY, DAY), UP_TO_SESSIONS)
    assert sessions_of(lake) == [(DAY, 8400.0, True)]
    lake.receive([sent(at(text, NEXT)) for text in ("02:40", "03:05")])
    assert lake.pending() is not None
    replace(lake, closed_through=NEXT).run(closing_window(NEXT, DAY), UP_TO_SESSIONS)
    assert sessions_of(lake) == [(DAY, 11700.0, False)]


def test_history_that_is_imported_later_makes_the_snapshots_after_it_stale_until_they_are_restated(lake: RunnableLake):
    later = DAY + timedelta(days=4)
    lake.receive([sent(at("12:00", later))])
    lake.run(one_day(later))
    assert (first_seen(lake, later), lake.pending()) == ({"game": later}, None)
    imported = at("13:00", later)
    lake.receive([sent(at("12:00"), received_ts=imported, received_date=imported.date(), source="import")])
    assert lake.pending() == Window.of_days(DAY, later)
    layers = lake.layers()
    for name in ("silver.events", "silver.player_days"):
        materialize(layers, name, one_day(DAY))
    assert materialize(layers, "gold.player_snapshots", one_day(DAY)).stale == (one_day(later),)
    lake.run(Window.of_days(DAY, later))
    assert (first_seen(lake, later), lake.pending()) == ({"game": DAY}, None)


def test_days_that_were_never_run_count_and_too_many_of_them_hold_their_games_alone(lake: RunnableLake):
    days = [DAY - timedelta(days=number) for number in range(1, 34)]
    lake.receive([sent(at("12:00", day), game_id="old") for day in days] + [sent(at("12:00"), game_id="new")])
    layers = lake.layers()
    materialize(layers, "silver.player_days", one_day(DAY))
    published = materialize(layers, "gold.player_snapshots", one_day(DAY))
    assert (published.held, published.missing) == ({"old"}, (Window.of_days(min(days), max(days)),))
    assert first_seen(lake, DAY) == {"new": DAY}
    materialize(layers, "silver.player_days", Window.of_days(min(days), min(days) + timedelta(days=1)))
    assert materialize(layers, "gold.player_snapshots", one_day(DAY)).held == set()
    assert first_seen(lake, DAY) == {"new": DAY, "old": min(days)}


def test_a_step_is_refused_with_the_days_when_no_game_is_left(lake: RunnableLake):
    days = [DAY - timedelta(days=number) for number in range(1, 34)]
    lake.receive([sent(at("12:00", day)) for day in days])
    with pytest.raises(LakeError, match=f"never materialized.*materialize --from {min(days)} --to {max(days)}"):
        materialize(lake.layers(), "gold.player_snapshots", one_day(DAY))


def test_a_lake_without_bronze_is_an_error_and_not_an_empty_lake(lake: RunnableLake):
    with pytest.raises(LakeError, match=r"There is no bronze\.events in .*: check TELEMETRY_LAKE"):
        lake.layers()


def states(lake: RunnableLake, days: Iterable[date]) -> list[str | None]:
    found = materialized_days(str(lake.root), "silver.events")
    return [f"{found[day].state} {found[day].rows}" if day in found else None for day in days]


def test_the_manifest_tells_empty_from_failed_from_never_run_and_does_not_believe_what_others_changed(
    lake: RunnableLake,
):
    days = [DAY + timedelta(days=number) for number in range(4)]
    lake.receive([sent(at("12:00", days[0])), sent(at("12:00", days[1]))])
    lake.run(Window.of_days(days[0], days[2]), ["silver.events"])
    assert states(lake, days) == ["done 1", "done 1", "done 0", None]
    begin(str(lake.root), "silver.events", [Materialized(days[2], "writing", 0, 0, 0, 0)])
    assert states(lake, days) == ["done 1", "done 1", "writing 0", None]
    DeltaTable(f"{lake.root}/silver/events").delete(f"event_date = DATE '{days[0]}'")
    assert states(lake, days) == [None, "done 1", "writing 0", None]
    lake.run(one_day(days[3]), ["silver.events"])
    assert states(lake, days) == [None, "done 1", "writing 0", "done 0"]
    lake.run(one_day(days[0]), ["silver.events"])
    assert states(lake, days) == ["done 1", "done 1", "writing 0", "done 0"]


def bought(ts: Any) -> dict[str, Any]:
    return sent(ts, event_name="purchase", properties='{"transaction_id":"t","price_minor":499,"currency":"EUR"}')


def revenue_of(lake: RunnableLake) -> list[tuple]:
    rows = lake.spark.read.format("delta").load(f"{lake.root}/silver/player_days").orderBy("event_date").collect()
    return [(row.event_date, str(row.iap_revenue), row.purchase_count) for row in rows]


def test_rates_that_are_loaded_later_restate_the_days_on_which_they_hold(lake: RunnableLake):
    root, day = str(lake.root), one_day(DAY)
    tables = ["silver.purchases", "silver.ad_impressions", "silver.player_days"]
    lake.receive([bought(at("12:00"))])
    lake.run(day, tables)
    assert revenue_of(lake) == [(DAY, "0.000000", 0)]
    lake.load([Rate(DAY - timedelta(days=8), "EUR", Decimal("1.5"))])
    assert days_with_other_rates(root) == set()
    lake.load([Rate(DAY - timedelta(days=7), "EUR", Decimal("1.1"))])
    assert days_with_other_rates(root) == {DAY}
    lake.run(day, tables[:2])
    assert (days_with_other_rates(root), materialized_days(root, tables[2])[DAY].is_stale) == (set(), True)
    lake.run(day, tables[2:])
    assert (revenue_of(lake), materialized_days(root, tables[2])[DAY].is_stale) == ([(DAY, "5.489000", 1)], False)


def test_a_link_that_is_imported_later_renames_the_events_after_it_and_ends_the_link_it_comes_before(
    lake: RunnableLake,
):
    days = [DAY + timedelta(days=number) for number in range(5)]
    imported = {"source": "import", "received_ts": at("13:00", days[4]), "received_date": days[4]}
    lake.receive([sent(at("12:00", day), player_id="guest") for day in days])
    identify = {"event_name": "identify", "player_id": "guest", "properties": '{"account_id": "b"}'}
    lake.receive([sent(at("12:30", days[3]), **identify)])
    lake.run(Window.of_days(days[0], days[4]))
    assert players(lake) == {day: {"guest"} for day in days[:3]} | {day: {"b"} for day in days[3:]}
    imported |= identify | {"properties": '{"account_id": "a"}'}
    lake.receive([sent(at("12:30", days[1]), **imported)])
    lake.run(one_day(days[1]))
    assert players(lake)[days[1]] == {"a"}
    assert lake.pending() == Window.of_days(days[0], days[4])
    lake.run(Window.of_days(days[0], days[4]))
    assert players(lake) == {days[0]: {"guest"}} | {day: {"a"} for day in days[1:]}
    assert lake.pending() is None
    lake.receive([sent(at("12:40", days[1]), **imported)])
    lake.run(Window.of_days(days[0], days[2]))
    assert lake.pending() is None, "what links nothing new changes no later day"


def players(lake: RunnableLake) -> dict[date, set[str]]:
    """Effective players of each day's sessions."""
    found: dict[date, set[str]] = {}
    for row in lake.spark.read.format("delta").load(f"{lake.root}/silver/sessions").collect():
        found.setdefault(row.session_date, set()).add(row.player_id)
    return found

"""The transforms against what the simulator planted: bronze to KPIs, every number of every day."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.games.game import Game
from telemetry_platform.lake.tables import conform
from telemetry_platform.simulator.history import history
from telemetry_platform.simulator.plan import Faults, GamePlan, default_plans
from telemetry_platform.simulator.run import Run
from telemetry_platform.transforms.gold.daily_kpis import to_daily_kpis
from telemetry_platform.transforms.gold.player_snapshots import to_player_snapshots
from telemetry_platform.transforms.silver.ad_impressions import to_ad_impressions
from telemetry_platform.transforms.silver.events import to_events
from telemetry_platform.transforms.silver.player_days import to_player_days
from telemetry_platform.transforms.silver.purchases import to_purchases
from telemetry_platform.transforms.silver.sessions import to_sessions
from telemetry_platform_tests.builders import table

FIRST = date(2026, 10, 24)
DAYS = 34
END = FIRST + timedelta(days=DAYS + 3)
FAULTS = Faults(duplicate_rate=0.05, malformed_rate=0.02, collision_every=50, excluded_player_share=0.05)


def plan() -> GamePlan:
    return replace(default_plans()["demo_rpg"], players=120, payer_share=0.3, faults=FAULTS)


def bronze_rows(run: Run) -> Iterator[dict[str, Any]]:
    """Rows of what the collector accepts, received one second after another."""
    received = datetime(2026, 12, 24, tzinfo=UTC)
    sent = (
        (event, index in request.rejected) for request in run.requests for index, event in enumerate(request.events)
    )
    for offset, (raw, is_rejected) in enumerate(sent):
        if is_rejected:
            continue
        event = json.loads(raw)
        created = datetime.fromisoformat(event["created_ts"]).astimezone(UTC)
        received_ts = received + timedelta(seconds=offset)
        yield event | {
            "game_id": run.manifest.game_id,
            "properties": json.dumps(event.get("properties", {})),
            "created_ts": created,
            "event_ts": created,
            "event_date": created.date(),
            "received_ts": received_ts,
            "received_date": received_ts.date(),
            "source": "import",
            "arrival": "imported",
            "kafka_topic": "telemetry.events.v1",
            "kafka_partition": 0,
            "kafka_offset": offset,
        }


def stored(frame: DataFrame, name: str, folder: Path) -> DataFrame:
    """Write `frame` as its contract says and read it back, as the lake would."""
    path = str(folder / name)
    conform(frame, TABLES[name]).write.parquet(path)
    return frame.sparkSession.read.parquet(path)


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, DataFrame]]:
    folder = tmp_path_factory.mktemp("lake")
    game_plan = plan()
    run = history(game_plan, 7, FIRST, DAYS, END - timedelta(days=1))
    games = {
        game_plan.game_id: Game(
            game_id=game_plan.game_id, name=game_plan.name, session_gap_minutes=game_plan.session_gap_minutes
        )
    }
    days = {"start": FIRST, "end": END}
    bronze = table(spark, "bronze.events", bronze_rows(run))
    events = stored(to_events(bronze, games=games, **days), "silver.events", folder)
    sessions = stored(to_sessions(events, games=games, closed_through=END, **days), "silver.sessions", folder)
    rates = table(spark, "reference.exchange_rates", [])
    purchases = stored(to_purchases(events, rates, games=games, **days), "silver.purchases", folder)
    impressions = stored(to_ad_impressions(events, rates, games=games, **days), "silver.ad_impressions", folder)
    player_days = stored(
        to_player_days(events, sessions, purchases, impressions, closed_through=END, **days),
        "silver.player_days",
        folder,
    )
    nobody = table(spark, "gold.player_snapshots", [])
    snapshots = stored(to_player_snapshots(nobody, player_days, **days), "gold.player_snapshots", folder)
    kpis = to_daily_kpis(snapshots, player_days, sessions, closed_through=END, **days)
    return run, {
        "silver.events": events,
        "silver.player_days": player_days,
        "gold.daily_kpis": stored(kpis, "gold.daily_kpis", folder),
    }


def whole_game(kpis: DataFrame) -> list[Row]:
    return kpis.where("segment = 'all'").orderBy("event_date").collect()


def test_daily_kpis_equal_the_planted_truth(lake: tuple[Run, dict[str, DataFrame]]) -> None:
    run, tables = lake
    found = {row.event_date: row for row in whole_game(tables["gold.daily_kpis"])}
    assert list(found) == list(run.manifest.days)
    for day, expected in run.manifest.days.items():
        for name, value in expected.items():
            if name in TABLES["gold.daily_kpis"].schema.fieldNames():
                number = found[day][name]
                exact = Decimal(repr(number)) if isinstance(number, float) else number
                assert exact == Decimal(value), (day, name)


def test_events_are_kept_once_and_counted(lake: tuple[Run, dict[str, DataFrame]]) -> None:
    run, tables = lake
    assert tables["silver.events"].count() == run.manifest.totals.silver_events
    counted = tables["silver.player_days"].selectExpr("sum(event_count)").collect()[0][0]
    assert counted == run.manifest.totals.silver_events - run.manifest.totals.excluded_events


@pytest.mark.parametrize("segment", ["platform", "country", "build_version"])
def test_segments_add_up_to_the_whole_game(lake: tuple[Run, dict[str, DataFrame]], segment: str) -> None:
    _, tables = lake
    additive = ("dau", "wau", "mau_30d", "mau_calendar", "new_players", "sessions", "revenue", "payers", "purchases")
    kpis = tables["gold.daily_kpis"]
    parts = kpis.where(f"segment = '{segment}'").groupBy("event_date")
    added = {row.event_date: row for row in parts.agg(*(sf.sum(name).alias(name) for name in additive)).collect()}
    for row in whole_game(kpis):
        assert [added[row.event_date][name] for name in additive] == [row[name] for name in additive]

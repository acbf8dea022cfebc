"""Whatever one game sends that the contract takes, a quiet game beside it has the same rows as without it."""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as sf

from telemetry_platform.collector.deciding import Decider, Reject, Rules
from telemetry_platform.collector.policies import GamePolicy
from telemetry_platform.contracts.currencies import WITH_FOUR_DECIMALS, WITH_THREE_DECIMALS, WITHOUT_DECIMALS
from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.games.game import Game
from telemetry_platform.lake.tables import conform
from telemetry_platform.quality.audit import AuditedRows
from telemetry_platform.settings import Limits
from telemetry_platform.transforms.decode import to_bronze
from telemetry_platform.transforms.gold.daily_kpis import to_daily_kpis
from telemetry_platform.transforms.gold.player_snapshots import to_player_snapshots
from telemetry_platform.transforms.silver.ad_impressions import to_ad_impressions
from telemetry_platform.transforms.silver.events import to_events
from telemetry_platform.transforms.silver.player_days import to_player_days
from telemetry_platform.transforms.silver.purchases import to_purchases
from telemetry_platform.transforms.silver.sessions import to_sessions
from telemetry_platform_tests.builders import rate, table

DAY = date(2024, 3, 10)
NINE = datetime(2024, 3, 10, 9, tzinfo=UTC)
START, END = DAY - timedelta(days=1), DAY + timedelta(days=2)
RECEIVED = datetime(2024, 3, 12, tzinfo=UTC)
RECORD_SCHEMA = (
    "value binary, topic string, partition int, offset bigint, timestamp timestamp, "
    "headers array<struct<key: string, value: binary>>"
)
ON_IOS = {"player_id": "a", "device_id": "d", "platform": "ios"}
RATES = [rate(DAY - timedelta(days=2), currency, "9.999999999") for currency in ("EUR", "KWD", "CLF")]
RATES += [rate(DAY - timedelta(days=2), "JPY", "0.000000001")]
# The wild game's amounts are as large as they can be: a unit of its currency is worth next to nothing.
REPORTING = {"wild": Game("wild", "Wild", reporting_currency="JPY"), "quiet": Game("quiet", "Quiet")}


def envelope(event_id: int, name: str, ts: datetime, **values: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid.UUID(int=event_id)),
        "event_name": name,
        "event_version": 1,
        "created_ts": ts.isoformat(),
    } | values


def quiet_events() -> list[dict[str, Any]]:
    at = NINE
    bought = {"transaction_id": "t1", "product_id": "gems", "price_minor": 499, "currency": "USD"}
    return [
        envelope(1, "install", at, **ON_IOS, country="DE", build_version="1.4.2"),
        envelope(2, "purchase", at + timedelta(minutes=5), **ON_IOS, properties=bought),
        envelope(3, "heartbeat", at + timedelta(minutes=50), **ON_IOS),
        envelope(4, "heartbeat", at + timedelta(days=1), device_id="d2", platform="android"),
    ]


# Ids of the quiet game and neighbours of them, and whatever else a contract takes as a name.
named = st.one_of(
    st.sampled_from(["a", "d", "d2", "t1", "a:d", "1:a", "NULL", "quiet", "a\u2028b", "\u202ea", "%s", "'; --", "a\\"]),
    st.text(min_size=1, max_size=12),
    st.just("x" * 64),
)
currency = st.sampled_from(["USD", "EUR", "JPY", "KWD", "CLF", "GBP"])
amount = st.one_of(st.sampled_from([0, 1, 499, 10**8, 10**12 - 1]), st.integers(0, 10**12 - 1))
moments = st.one_of(
    st.datetimes(datetime(2024, 3, 9), datetime(2024, 3, 11, 23), timezones=st.just(UTC)),
    st.sampled_from([datetime(2024, 3, 10, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), NINE]),
)
paid = st.fixed_dictionaries(
    {"transaction_id": named, "product_id": named, "price_minor": amount, "currency": currency},
    optional={"receipt_status": st.sampled_from(["valid", "invalid", "unverified"]), "revenue_micros": named},
)
shown = st.fixed_dictionaries(
    {"network": named, "placement": named, "ad_format": named, "revenue_micros": amount, "currency": currency},
    optional={"transaction_id": st.one_of(named, st.integers(), st.lists(st.integers()))},
)
levels = st.fixed_dictionaries({"level": st.one_of(named, st.integers(0, 2**53))})
anything = st.dictionaries(
    st.text(max_size=5), st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), named)
)
kinds = st.one_of(
    st.tuples(st.sampled_from(["purchase", "refund"]), paid),
    st.tuples(st.just("ad_impression"), shown),
    st.tuples(st.sampled_from(["level_completed", "level_failed", "level_started"]), levels),
    st.tuples(st.sampled_from(["heartbeat", "install", "session_start"]), anything),
)


@st.composite
def wild_event(draw: st.DrawFn) -> dict[str, Any]:
    name, properties = draw(kinds)
    ids = draw(st.sampled_from([("player_id",), ("device_id",), ("player_id", "device_id")]))
    who = {name: draw(named) for name in ids}
    where = {key: draw(named) for key in ("platform", "build_version") if draw(st.booleans())}
    return envelope(draw(st.integers(1, 40)), name, draw(moments), properties=properties, **who, **where)


def accepted(game_id: str, documents: Sequence[dict[str, Any]]) -> list[bytes]:
    """Values of the events that the collector takes as imports."""
    rules = Rules(GamePolicy(game_id, timedelta(days=30)), "import", RECEIVED, date(1970, 1, 1), Limits())
    decided = [Decider(None, rules).decide(json.dumps(document).encode()) for document in documents]
    return [outcome[1] for outcome in decided if not isinstance(outcome, Reject)]


def tables(spark: SparkSession, values: Sequence[bytes]) -> dict[str, DataFrame]:
    """All tables that follow from Kafka records, as the assets compute them, with bad rows set aside."""
    records = [(value, "telemetry.events.v1", 0, offset, RECEIVED, None) for offset, value in enumerate(values)]
    frame = spark.createDataFrame(records, RECORD_SCHEMA)

    def kept(name: str, rows: DataFrame) -> DataFrame:
        return AuditedRows(conform(rows, TABLES[name]), TABLES[name]).accepted

    bronze = to_bronze(frame, sf.lit(False)).where("error_type IS NULL")
    rates = table(spark, "reference.exchange_rates", RATES)
    events = kept("silver.events", to_events(bronze, start=START, end=END, games={})).localCheckpoint()
    sessions = kept(
        "silver.sessions", to_sessions(events, start=START, end=END, games={}, closed_through=END)
    ).localCheckpoint()
    purchases = kept(
        "silver.purchases", to_purchases(events, rates, start=START, end=END, games=REPORTING)
    ).localCheckpoint()
    impressions = kept(
        "silver.ad_impressions", to_ad_impressions(events, rates, start=START, end=END, games=REPORTING)
    ).localCheckpoint()
    player_days = kept(
        "silver.player_days",
        to_player_days(events, sessions, purchases, impressions, start=START, end=END, closed_through=END),
    ).localCheckpoint()
    nobody = table(spark, "gold.player_snapshots", [])
    snapshots = kept(
        "gold.player_snapshots", to_player_snapshots(nobody, player_days, start=START, end=END)
    ).localCheckpoint()
    kpis = to_daily_kpis(snapshots, player_days, sessions, start=START, end=END, closed_through=END)
    return {
        "silver.events": events,
        "silver.sessions": sessions,
        "silver.purchases": purchases,
        "silver.ad_impressions": impressions,
        "silver.player_days": player_days,
        "gold.player_snapshots": snapshots,
        "gold.daily_kpis": kept("gold.daily_kpis", kpis),
    }


def rows_of_quiet(found: dict[str, DataFrame]) -> dict[str, list[Row]]:
    # A record's place in Kafka is no part of what it says; no other column depends on who else sends.
    return {name: sorted(frame.where("game_id = 'quiet'").collect(), key=str) for name, frame in found.items()}


@pytest.fixture(scope="module")
def alone(spark: SparkSession) -> dict[str, list[Row]]:
    found = rows_of_quiet(tables(spark, accepted("quiet", quiet_events())))
    assert [len(rows) for rows in found.values()] == [4, 3, 1, 0, 2, 3, 9]
    return found


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(wild=st.lists(wild_event(), min_size=60, max_size=120))
def test_a_quiet_games_rows_are_the_same_whatever_another_game_sends(
    spark: SparkSession, alone: dict[str, list[Row]], wild: list[dict[str, Any]]
):
    taken = accepted("wild", wild)
    assume(len(taken) > len(wild) // 2)
    values = [*taken, *accepted("quiet", quiet_events())]
    assert rows_of_quiet(tables(spark, values)) == alone


def test_the_currencies_here_have_two_none_three_and_four_decimals():
    assert ("JPY" in WITHOUT_DECIMALS, "KWD" in WITH_THREE_DECIMALS, "CLF" in WITH_FOUR_DECIMALS) == (True, True, True)

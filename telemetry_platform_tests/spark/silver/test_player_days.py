from datetime import date, timedelta
from decimal import Decimal

from pyspark.sql import Row, SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.tables import conform
from telemetry_platform.transforms.silver.player_days import to_player_days
from telemetry_platform_tests.builders import (
    DAY,
    ad,
    at,
    event,
    payment,
    purchase,
    refund,
    rows_of,
    session,
    table,
)

NEXT_DAY = DAY + timedelta(days=1)


def player_days(
    spark: SparkSession,
    events: list[dict],
    *,
    sessions: list[dict] | None = None,
    purchases: list[dict] | None = None,
    ads: list[dict] | None = None,
    start: date = DAY,
    end: date = NEXT_DAY,
) -> list[Row]:
    found = to_player_days(
        table(spark, "silver.events", events),
        table(spark, "silver.sessions", sessions or []),
        table(spark, "silver.purchases", purchases or []),
        table(spark, "silver.ad_impressions", ads or []),
        start=start,
        end=end,
        closed_through=NEXT_DAY,
    )
    return rows_of(conform(found, TABLES["silver.player_days"]), "event_date", "player_id")


def test_no_events_give_no_rows(spark: SparkSession) -> None:
    assert player_days(spark, []) == []


def test_a_day_counts_what_the_player_did(spark: SparkSession) -> None:
    events = [
        event("install", at("10:00")),
        event("level_completed", at("10:01"), level="1"),
        event("level_failed", at("10:02"), level="2"),
        event("level_failed", at("10:03"), level="2"),
        event("ad_impression", at("10:04")),
        event(ts=at("10:05"), is_excluded=True),
    ]
    sessions = [session(at("10:00"), 240.5), session(at("23:59"), 120.000001)]
    ads = [ad(amount=Decimal("1.234567"))]
    (row,) = player_days(spark, events, sessions=sessions, ads=ads)
    assert (row.is_active, row.has_install, row.event_count, row.session_count) == (True, True, 5, 2)
    assert row.playtime_seconds == 360.500001
    assert (row.levels_completed, row.levels_failed, row.ad_impressions) == (1, 2, 1)
    assert (row.ad_revenue, row.iap_revenue) == (Decimal("1.234567"), Decimal("0.000000"))


def test_segment_values_are_those_of_the_last_event_also_when_null(spark: SparkSession) -> None:
    events = [event(ts=at("10:00"), country="DE"), event(ts=at("10:01"), country=None, platform="android")]
    (row,) = player_days(spark, events)
    assert (row.platform, row.country, row.build_version) == ("android", None, "1.0")


def test_only_refunds_and_server_events_make_nobody_active(spark: SparkSession) -> None:
    (row,) = player_days(spark, [refund(), event(platform="server")])
    assert (row.is_active, row.event_count) == (False, 2)


def test_money_is_what_counts_in_the_tables_of_money(spark: SparkSession) -> None:
    purchases = [
        payment(amount=Decimal("10.000000")),
        payment(amount=Decimal("2.000000"), receipt_status="unverified"),
        payment(kind="refund", amount=Decimal("-5.000001"), receipt_status="unverified"),
        payment(amount=None, status="duplicate_transaction"),
        payment(amount=None, status="invalid_receipt", receipt_status="invalid"),
        payment(amount=None, status="no_rate", receipt_status="unverified"),
    ]
    ads = [ad(amount=Decimal("0.250000")), ad(amount=Decimal("0.000001")), ad(amount=None, status="no_rate")]
    (row,) = player_days(spark, [event()], purchases=purchases, ads=ads)
    assert (row.purchase_count, row.iap_revenue, row.refunds) == (2, Decimal("6.999999"), Decimal("5.000001"))
    assert row.iap_revenue_unverified == Decimal("2.000000")
    assert (row.ad_impressions, row.ad_revenue) == (3, Decimal("0.250001"))


def test_money_of_players_of_other_games_and_days_is_theirs(spark: SparkSession) -> None:
    purchases = [payment(), payment(game_id="other"), payment(at("00:00", NEXT_DAY)), payment(player_id="p2")]
    found = player_days(spark, [event()], purchases=purchases, end=NEXT_DAY + timedelta(days=1))
    assert {(row.event_date, row.game_id, row.player_id, row.iap_revenue) for row in found} == {
        (DAY, "game", "p1", Decimal("4.990000")),
        (DAY, "other", "p1", Decimal("4.990000")),
        (NEXT_DAY, "game", "p1", Decimal("4.990000")),
        (DAY, "game", "p2", Decimal("4.990000")),
    }


def test_segment_values_are_those_of_the_last_event_that_makes_active(spark: SparkSession):
    events = [
        event("level_completed", at("10:00"), platform="ios", country="DE", build_version="1.4.2"),
        purchase(at("10:05"), platform="server", country=None, build_version=None),
        event("heartbeat", at("10:06"), player_id="p2", platform="server"),
    ]
    found = {row.player_id: row for row in player_days(spark, events)}
    assert (found["p1"].platform, found["p1"].country, found["p1"].build_version) == ("ios", "DE", "1.4.2")
    assert (found["p2"].is_active, found["p2"].platform) == (False, None)

from datetime import date, timedelta
from decimal import Decimal

from pyspark.sql import Row, SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.tables import conform
from telemetry_platform.transforms.money import money_set_aside
from telemetry_platform.transforms.silver.player_days import to_player_days
from telemetry_platform_tests.builders import (
    DAY,
    at,
    event,
    purchase,
    rate,
    refund,
    rows_of,
    session,
    table,
    transaction,
)

NEXT_DAY = DAY + timedelta(days=1)


def player_days(
    spark: SparkSession,
    events: list[dict],
    *,
    sessions: list[dict] | None = None,
    rates: list[dict] | None = None,
    transactions: list[dict] | None = None,
    start: date = DAY,
    end: date = NEXT_DAY,
) -> list[Row]:
    found = to_player_days(
        table(spark, "silver.events", events),
        table(spark, "silver.sessions", sessions or []),
        table(spark, "reference.exchange_rates", rates or []),
        start=start,
        end=end,
        closed_through=NEXT_DAY,
        transactions=table(spark, "silver.transactions", transactions) if transactions else None,
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
        event("ad_impression", at("10:04"), revenue_micros=1_234_567, currency="USD"),
        event(ts=at("10:05"), is_excluded=True),
    ]
    sessions = [session(at("10:00"), 240.5), session(at("23:59"), 120.000001)]
    (row,) = player_days(spark, events, sessions=sessions)
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
    assert (row.is_active, row.event_count, row.refunds) == (False, 2, Decimal("4.990000"))
    assert row.iap_revenue == Decimal("-4.990000")


def test_receipts_decide_what_counts(spark: SparkSession) -> None:
    events = [
        purchase(price_minor=1000),
        purchase(price_minor=200, receipt_status="unverified"),
        purchase(price_minor=30, receipt_status=None),
        purchase(price_minor=9999, receipt_status="invalid"),
        purchase(price_minor=7777, is_excluded=True),
        refund(price_minor=500),
    ]
    (row,) = player_days(spark, events)
    assert (row.purchase_count, row.iap_revenue) == (3, Decimal("7.300000"))
    assert (row.iap_revenue_unverified, row.refunds) == (Decimal("2.300000"), Decimal("5.000000"))


def test_a_transaction_counts_once_per_kind_and_the_first_event_wins(spark: SparkSession) -> None:
    events = [
        purchase(at("12:02"), transaction_id="t", price_minor=300),
        purchase(at("12:01"), transaction_id="t", price_minor=200),
        purchase(at("12:01"), transaction_id="t", price_minor=70, game_id="other"),
        refund(at("12:03"), transaction_id="t", price_minor=50),
    ]
    found = {row.game_id: row for row in player_days(spark, events)}
    assert (found["game"].purchase_count, found["game"].iap_revenue) == (1, Decimal("1.500000"))
    assert found["other"].iap_revenue == Decimal("0.700000")


def test_the_latest_verdict_of_any_event_of_a_transaction_decides_whether_it_counts(spark: SparkSession) -> None:
    later = NEXT_DAY + timedelta(days=20)
    told = {
        "mended": ("invalid", "valid"),
        "charged_back": ("valid", "invalid"),
        "checked_late": (None, "valid"),
        "never_checked": ("unverified", None),
    }
    events = [
        purchase(at("12:00"), transaction_id=t, player_id=t, receipt_status=first) for t, (first, _) in told.items()
    ]
    elsewhere = [
        transaction(at("12:00", later), transaction_id=t, receipt_status=last) for t, (_, last) in told.items()
    ]
    found = {row.player_id: row for row in player_days(spark, events, transactions=elsewhere)}
    assert {player: row.purchase_count for player, row in found.items()} == {
        "mended": 1,
        "charged_back": 0,
        "checked_late": 1,
        "never_checked": 1,
    }
    assert found["checked_late"].iap_revenue_unverified == 0
    assert found["never_checked"].iap_revenue_unverified == Decimal("4.990000")


def test_a_transaction_handed_over_again_within_the_horizon_counts_on_its_first_day_alone(spark: SparkSession) -> None:
    events = [purchase(at("00:01"), transaction_id=t, player_id=t) for t in ("day", "month", "longer")]
    before = [
        transaction(at("23:59", DAY - timedelta(days=1)), transaction_id="day"),
        transaction(at("12:00", DAY - timedelta(days=30)), transaction_id="month"),
        transaction(at("12:00", DAY - timedelta(days=31)), transaction_id="longer"),
    ]
    found = {row.player_id: row for row in player_days(spark, events, transactions=before)}
    assert {player: row.purchase_count for player, row in found.items()} == {"day": 0, "month": 0, "longer": 1}
    assert found["day"].event_count == 1


def test_minor_units_follow_the_currency(spark: SparkSession) -> None:
    per_unit = {"JPY": "0.006543211", "BHD": "2.65", "EUR": "1.1", "CLF": "38.123456789"}
    rates = [rate(DAY, currency, usd) for currency, usd in per_unit.items()]
    events = [
        purchase(price_minor=499, currency="JPY", player_id="jpy"),
        purchase(price_minor=1234, currency="BHD", player_id="bhd"),
        purchase(price_minor=1234, currency="EUR", player_id="eur"),
        purchase(price_minor=12345, currency="CLF", player_id="clf"),
        event("ad_impression", revenue_micros=1500, currency="EUR", player_id="ad"),
    ]
    found = {row.player_id: row for row in player_days(spark, events, rates=rates)}
    assert found["jpy"].iap_revenue == Decimal("3.265062")
    assert found["bhd"].iap_revenue == Decimal("3.270100")
    assert found["eur"].iap_revenue == Decimal("13.574000")
    assert found["clf"].iap_revenue == Decimal("47.063407")
    assert found["ad"].ad_revenue == Decimal("0.001650")


def test_newest_rate_of_the_last_seven_days_is_taken(spark: SparkSession) -> None:
    rates = [
        rate(DAY - timedelta(days=7), "EUR", "1.5"),
        rate(DAY - timedelta(days=8), "GBP", "1.5"),
        rate(DAY - timedelta(days=5), "SEK", "0.1"),
        rate(DAY - timedelta(days=2), "SEK", "0.2"),
        rate(NEXT_DAY, "SEK", "0.9"),
        rate(DAY, "USD", "7"),
    ]
    events = [
        purchase(price_minor=100, currency=currency, player_id=currency) for currency in ("EUR", "GBP", "SEK", "USD")
    ]
    found = {row.player_id: row for row in player_days(spark, events, rates=rates)}
    assert {name: (row.purchase_count, row.iap_revenue) for name, row in found.items()} == {
        "EUR": (1, Decimal("1.500000")),
        "GBP": (0, Decimal("0.000000")),
        "SEK": (1, Decimal("0.200000")),
        "USD": (1, Decimal("1.000000")),
    }
    left_out = money_set_aside(table(spark, "silver.events", events), table(spark, "reference.exchange_rates", rates))
    assert [(row.kind, row.currency, row.price_minor, row.fault) for row in left_out.collect()] == [
        ("purchase", "GBP", 100, "no_rate")
    ]


def test_an_amount_beyond_the_bound_is_left_out_with_its_reason_in_whatever_currency(spark: SparkSession):
    rates = [rate(DAY, "KWD", "3.25")]
    events = [
        purchase(price_minor=100_000_000, player_id="largest"),
        purchase(price_minor=100_000_001, player_id="beyond"),
        purchase(price_minor=999_999_999_999, currency="KWD", player_id="dinars"),
        refund(price_minor=100_000_001, player_id="refund"),
        event("purchase", player_id="fraction", transaction_id="t", price_minor=1.5, currency="USD"),
    ]
    found = {row.player_id: row for row in player_days(spark, events, rates=rates)}
    assert {name: (row.purchase_count, row.iap_revenue) for name, row in found.items() if row.purchase_count} == {
        "largest": (1, Decimal("1000000.000000"))
    }
    left_out = money_set_aside(table(spark, "silver.events", events), table(spark, "reference.exchange_rates", rates))
    assert {(row.player_id, row.fault) for row in left_out.collect()} == {
        ("beyond", "amount_out_of_range"),
        ("dinars", "amount_out_of_range"),
        ("refund", "amount_out_of_range"),
        ("fraction", "invalid_amount"),
    }


def test_segment_values_are_those_of_the_last_event_that_makes_active(spark: SparkSession):
    events = [
        event("level_completed", at("10:00"), platform="ios", country="DE", build_version="1.4.2"),
        purchase(at("10:05"), platform="server", country=None, build_version=None),
        event("heartbeat", at("10:06"), player_id="p2", platform="server"),
    ]
    found = {row.player_id: row for row in player_days(spark, events)}
    assert (found["p1"].platform, found["p1"].country, found["p1"].build_version) == ("ios", "DE", "1.4.2")
    assert found["p1"].iap_revenue == Decimal("4.990000")
    assert (found["p2"].is_active, found["p2"].platform) == (False, None)

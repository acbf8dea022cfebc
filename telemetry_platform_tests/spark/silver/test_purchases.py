from collections import Counter
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from random import Random

import pytest
from pyspark.sql import Row, SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.games.game import Game
from telemetry_platform.lake.tables import conform
from telemetry_platform.transforms.silver.purchases import to_purchases
from telemetry_platform_tests.builders import DAY, at, event, purchase, rate, refund, rows_of, table, transaction

NEXT_DAY = DAY + timedelta(days=1)
GAMES = {
    "euros": Game("euros", "Euros", reporting_currency="EUR"),
    "rupiah": Game("rupiah", "Rupiah", reporting_currency="IDR"),
}
RATES = ["0.000000001", "0.000023809", "0.333333333", "1", "3", "7.000000007", "999999999.999999999", "0.000061728"]


def purchases(
    spark: SparkSession,
    events: list[dict],
    *,
    rates: list[dict] | None = None,
    transactions: list[dict] | None = None,
    start: date = DAY,
    end: date = NEXT_DAY,
) -> list[Row]:
    found = to_purchases(
        table(spark, "silver.events", events),
        table(spark, "reference.exchange_rates", rates or []),
        start=start,
        end=end,
        games=GAMES,
        transactions=table(spark, "silver.transactions", transactions) if transactions else None,
    )
    return rows_of(conform(found, TABLES["silver.purchases"]), "event_id")


def by_player(rows: list[Row]) -> dict[str, tuple[str, Decimal | None]]:
    return {row.player_id: (row.status, row.amount) for row in rows}


def test_no_events_give_no_rows(spark: SparkSession) -> None:
    assert purchases(spark, [event(), event("ad_impression", revenue_micros=1, currency="USD")]) == []


def test_a_purchase_is_a_row_with_its_amount_and_what_was_sent(spark: SparkSession) -> None:
    (row,) = purchases(spark, [purchase(at("10:00"), event_id="e", transaction_id="t")])
    assert row.asDict() == {
        "event_date": DAY,
        "game_id": "game",
        "event_id": "e",
        "event_ts": at("10:00").replace(tzinfo=None),
        "player_id": "p1",
        "kind": "purchase",
        "transaction_id": "t",
        "product_id": "gems",
        "price_minor": 499,
        "currency": "USD",
        "amount": Decimal("4.990000"),
        "reporting_currency": "USD",
        "receipt_status": "valid",
        "status": "counted",
    }


def test_a_refund_is_negative_and_needs_no_verdict(spark: SparkSession) -> None:
    (row,) = purchases(spark, [refund()])
    assert (row.kind, row.amount, row.receipt_status, row.product_id) == (
        "refund",
        Decimal("-4.990000"),
        "unverified",
        None,
    )


def test_receipts_decide_what_counts(spark: SparkSession) -> None:
    events = [
        purchase(player_id="valid", price_minor=1000),
        purchase(player_id="unverified", price_minor=200, receipt_status="unverified"),
        purchase(player_id="missing", price_minor=30, receipt_status=None),
        purchase(player_id="unknown", price_minor=1, receipt_status="perhaps"),
        purchase(player_id="invalid", price_minor=9999, receipt_status="invalid"),
        purchase(player_id="excluded", price_minor=7777, is_excluded=True),
    ]
    found = purchases(spark, events)
    assert by_player(found) == {
        "valid": ("counted", Decimal("10.000000")),
        "unverified": ("counted", Decimal("2.000000")),
        "missing": ("counted", Decimal("0.300000")),
        "unknown": ("counted", Decimal("0.010000")),
        "invalid": ("invalid_receipt", None),
    }
    assert Counter(row.receipt_status for row in found) == {"valid": 1, "unverified": 3, "invalid": 1}


def test_a_transaction_counts_once_per_kind_and_the_first_event_wins(spark: SparkSession) -> None:
    events = [
        purchase(at("12:02"), transaction_id="t", player_id="again", price_minor=300),
        purchase(at("12:01"), transaction_id="t", player_id="first", price_minor=200),
        purchase(at("12:01"), transaction_id="t", player_id="other game", price_minor=70, game_id="other"),
        refund(at("12:03"), transaction_id="t", player_id="refund", price_minor=50),
        event("purchase", player_id="no id 1", price_minor=1, currency="USD"),
        event("purchase", player_id="no id 2", price_minor=2, currency="USD"),
    ]
    assert by_player(purchases(spark, events)) == {
        "again": ("duplicate_transaction", None),
        "first": ("counted", Decimal("2.000000")),
        "other game": ("counted", Decimal("0.700000")),
        "refund": ("counted", Decimal("-0.500000")),
        "no id 1": ("counted", Decimal("0.010000")),
        "no id 2": ("counted", Decimal("0.020000")),
    }


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
    found = purchases(spark, events, transactions=elsewhere)
    assert {row.player_id: (row.status, row.receipt_status) for row in found} == {
        "mended": ("counted", "valid"),
        "charged_back": ("invalid_receipt", "invalid"),
        "checked_late": ("counted", "valid"),
        "never_checked": ("counted", "unverified"),
    }


def test_a_transaction_handed_over_again_within_the_horizon_counts_on_its_first_day_alone(spark: SparkSession) -> None:
    events = [purchase(at("00:01"), transaction_id=t, player_id=t) for t in ("day", "month", "longer")]
    before = [
        transaction(at("23:59", DAY - timedelta(days=1)), transaction_id="day"),
        transaction(at("12:00", DAY - timedelta(days=30)), transaction_id="month"),
        transaction(at("12:00", DAY - timedelta(days=31)), transaction_id="longer"),
    ]
    assert by_player(purchases(spark, events, transactions=before)) == {
        "day": ("duplicate_transaction", None),
        "month": ("duplicate_transaction", None),
        "longer": ("counted", Decimal("4.990000")),
    }


def test_minor_units_follow_the_currency(spark: SparkSession) -> None:
    per_unit = {"JPY": "0.006543211", "BHD": "2.65", "EUR": "1.1", "CLF": "38.123456789"}
    events = [
        purchase(price_minor=499, currency="JPY", player_id="JPY"),
        purchase(price_minor=1234, currency="BHD", player_id="BHD"),
        purchase(price_minor=1234, currency="EUR", player_id="EUR"),
        purchase(price_minor=12345, currency="CLF", player_id="CLF"),
    ]
    rates = [rate(DAY, currency, usd) for currency, usd in per_unit.items()]
    assert by_player(purchases(spark, events, rates=rates)) == {
        "JPY": ("counted", Decimal("3.265062")),
        "BHD": ("counted", Decimal("3.270100")),
        "EUR": ("counted", Decimal("13.574000")),
        "CLF": ("counted", Decimal("47.063407")),
    }


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
    assert by_player(purchases(spark, events, rates=rates)) == {
        "EUR": ("counted", Decimal("1.500000")),
        "GBP": ("no_rate", None),
        "SEK": ("counted", Decimal("0.200000")),
        "USD": ("counted", Decimal("1.000000")),
    }


def test_a_game_has_its_money_in_its_own_currency_and_needs_a_rate_of_both(spark: SparkSession) -> None:
    bought = {"USD": 108, "EUR": 250, "JPY": 300, "SEK": 100}
    events = [
        purchase(price_minor=price, currency=currency, player_id=currency, game_id="euros")
        for currency, price in bought.items()
    ]
    later = [
        purchase(
            at("12:00", NEXT_DAY), price_minor=100, currency=currency, player_id=f"{currency} later", game_id="euros"
        )
        for currency in ("USD", "EUR", "SEK")
    ]
    rates = [rate(DAY - timedelta(days=7), "EUR", "1.08"), rate(DAY, "JPY", "0.0066"), rate(NEXT_DAY, "SEK", "0.1")]
    found = purchases(spark, events + later, rates=rates, end=NEXT_DAY + timedelta(days=1))
    assert by_player(found) == {
        "USD": ("counted", Decimal("1.000000")),
        "EUR": ("counted", Decimal("2.500000")),
        "JPY": ("counted", Decimal("1.833333")),
        "SEK": ("no_rate", None),
        # Without a rate of the euro, only what was paid in euros is known in euros.
        "USD later": ("no_rate", None),
        "EUR later": ("counted", Decimal("1.000000")),
        "SEK later": ("no_rate", None),
    }
    assert {row.reporting_currency for row in found} == {"EUR"}


def test_an_amount_beyond_the_bound_is_left_out_in_whatever_currency(spark: SparkSession):
    rates = [rate(DAY, "KWD", "3.25"), rate(DAY, "IDR", "0.00006")]
    events = [
        purchase(price_minor=100_000_000, player_id="largest"),
        purchase(price_minor=100_000_001, player_id="beyond"),
        purchase(price_minor=999_999_999_999, currency="KWD", player_id="dinars"),
        refund(price_minor=100_000_001, player_id="refund"),
        event("purchase", player_id="fraction", transaction_id="t", price_minor=1.5, currency="USD"),
        event("purchase", player_id="negative", transaction_id="n", price_minor=-1, currency="USD"),
        event("purchase", player_id="no price", transaction_id="m", currency="USD"),
        event("purchase", player_id="no currency", transaction_id="c", price_minor=1),
        # 1,000 US dollars are 16.7 million rupiah.
        purchase(price_minor=100_000, player_id="dear", game_id="rupiah"),
        purchase(price_minor=10_000_000_000, currency="IDR", player_id="most rupiah", game_id="rupiah"),
        purchase(price_minor=10_000_000_001, currency="IDR", player_id="too many rupiah", game_id="rupiah"),
        purchase(price_minor=999_999_999_999, currency="KWD", player_id="dinars in rupiah", game_id="rupiah"),
    ]
    assert by_player(purchases(spark, events, rates=rates)) == {
        "largest": ("counted", Decimal("1000000.000000")),
        "beyond": ("amount_out_of_range", None),
        "dinars": ("amount_out_of_range", None),
        "refund": ("amount_out_of_range", None),
        "fraction": ("invalid_amount", None),
        "negative": ("invalid_amount", None),
        "no price": ("invalid_amount", None),
        "no currency": ("no_rate", None),
        "dear": ("counted", Decimal("16666666.666667")),
        "most rupiah": ("counted", Decimal("100000000.000000")),
        "too many rupiah": ("amount_out_of_range", None),
        "dinars in rupiah": ("amount_out_of_range", None),
    }


def test_of_several_reasons_the_first_stands(spark: SparkSession) -> None:
    bad = {"price_minor": 100, "currency": "SEK", "receipt_status": "invalid"}
    events = [
        purchase(at("10:00"), player_id="forged", transaction_id="t", **bad),
        purchase(at("10:01"), player_id="forged again", transaction_id="t", **bad),
        refund(at("10:02"), player_id="refund", price_minor=-1, currency="SEK"),
    ]
    assert by_player(purchases(spark, events)) == {
        "forged": ("invalid_receipt", None),
        "forged again": ("duplicate_transaction", None),
        "refund": ("invalid_amount", None),
    }


def exactly(price: int, decimals: int, own: str, reporting: str) -> Decimal:
    """Compute as people do: in fractions, rounded once, half away from zero."""
    micros = Fraction(price, 10**decimals) * Fraction(own) / Fraction(reporting) * 10**6
    whole, rest = divmod(micros.numerator, micros.denominator)
    return Decimal(whole + (2 * rest >= micros.denominator)).scaleb(-6).quantize(Decimal("0.000001"), ROUND_HALF_UP)


@pytest.mark.parametrize("own", ["JPY", "EUR", "KWD", "CLF"])
def test_conversion_is_exact_and_rounded_once(spark: SparkSession, own: str) -> None:
    decimals = {"JPY": 0, "EUR": 2, "KWD": 3, "CLF": 4}[own]
    chance = Random(own)
    days = [DAY + timedelta(days=number) for number in range(200)]
    rates = {day: (chance.choice(RATES), chance.choice(RATES)) for day in days}
    prices = {day: chance.choice([1, 499, chance.randrange(10**6), chance.randrange(10**12)]) for day in days}
    found = purchases(
        spark,
        [purchase(at("12:00", day), price_minor=prices[day], currency=own, game_id="rupiah") for day in days],
        rates=[rate(day, code, usd) for day in days for code, usd in zip((own, "IDR"), rates[day], strict=True)],
        end=days[-1] + timedelta(days=1),
    )
    counted = [row for row in found if row.status == "counted"]
    assert len(counted) > 20
    for row in counted:
        expected = exactly(row.price_minor, decimals, *rates[row.event_date])
        assert row.amount == expected, row
    for row in found:
        worth = Fraction(row.price_minor, 10**decimals) * Fraction(rates[row.event_date][0])
        is_in_range = worth <= 10**6 and exactly(row.price_minor, decimals, *rates[row.event_date]) <= 10**8
        assert row.status == ("counted" if is_in_range else "amount_out_of_range"), row

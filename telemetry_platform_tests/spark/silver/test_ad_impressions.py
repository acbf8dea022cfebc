from datetime import timedelta
from decimal import Decimal

from pyspark.sql import Row, SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.games.game import Game
from telemetry_platform.lake.tables import conform
from telemetry_platform.transforms.silver.ad_impressions import to_ad_impressions
from telemetry_platform_tests.builders import DAY, at, event, purchase, rate, rows_of, table

NEXT_DAY = DAY + timedelta(days=1)
SHOWN = {"network": "net", "placement": "menu", "ad_format": "rewarded", "revenue_micros": 12_500, "currency": "USD"}


def impressions(spark: SparkSession, events: list[dict], rates: list[dict] | None = None) -> list[Row]:
    found = to_ad_impressions(
        table(spark, "silver.events", events),
        table(spark, "reference.exchange_rates", rates or []),
        start=DAY,
        end=NEXT_DAY,
        games={"euros": Game("euros", "Euros", reporting_currency="EUR")},
    )
    return rows_of(conform(found, TABLES["silver.ad_impressions"]), "event_id")


def test_no_impression_gives_no_rows(spark: SparkSession) -> None:
    assert impressions(spark, [purchase(), event("ad_impression", is_excluded=True, **SHOWN)]) == []


def test_an_impression_is_a_row_with_its_amount_and_what_was_sent(spark: SparkSession) -> None:
    (row,) = impressions(spark, [event("ad_impression", at("10:00"), event_id="e", transaction_id="t", **SHOWN)])
    assert row.asDict() == SHOWN | {
        "event_date": DAY,
        "game_id": "game",
        "event_id": "e",
        "event_ts": at("10:00").replace(tzinfo=None),
        "player_id": "p1",
        "amount": Decimal("0.012500"),
        "reporting_currency": "USD",
        "status": "counted",
    }


def test_every_impression_is_classified_once(spark: SparkSession) -> None:
    sent = {
        "euro cents": {"revenue_micros": 1500, "currency": "EUR"},
        "in euros": {"revenue_micros": 1500, "currency": "EUR", "game_id": "euros"},
        "dollars in euros": {"revenue_micros": 1500, "currency": "USD", "game_id": "euros"},
        "no rate": {"currency": "SEK"},
        "nothing": {"revenue_micros": 0},
        "no number": {"revenue_micros": "12"},
        "negative": {"revenue_micros": -1},
        "largest": {"revenue_micros": 10**12 - 1},
        "beyond": {"revenue_micros": 10**12},
    }
    events = [event("ad_impression", player_id=player, **(SHOWN | values)) for player, values in sent.items()]
    found = impressions(spark, events, [rate(DAY, "EUR", "1.1")])
    assert {row.player_id: (row.status, row.amount) for row in found} == {
        "euro cents": ("counted", Decimal("0.001650")),
        "in euros": ("counted", Decimal("0.001500")),
        "dollars in euros": ("counted", Decimal("0.001364")),
        "no rate": ("no_rate", None),
        "nothing": ("counted", Decimal("0.000000")),
        "no number": ("invalid_amount", None),
        "negative": ("invalid_amount", None),
        "largest": ("counted", Decimal("999999.999999")),
        "beyond": ("amount_out_of_range", None),
    }

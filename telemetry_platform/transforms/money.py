"""Purchases, refunds and ad revenue of events, in US dollars, exactly."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.amounts import LARGEST_AMOUNT
from telemetry_platform.contracts.columns import columns_of_events
from telemetry_platform.contracts.currencies import WITH_FOUR_DECIMALS, WITH_THREE_DECIMALS, WITHOUT_DECIMALS
from telemetry_platform.contracts.tables.transactions import TRANSACTIONS

RATE_DAYS = 7
HORIZON_DAYS = 30
VERDICTS = ("valid", "invalid")
MONEY_EVENTS = ("purchase", "refund", "ad_impression")

_PROPERTIES = ("transaction_id", "price_minor", "revenue_micros", "currency", "receipt_status")
# The latest one sorts last.
_VERDICT = ("event_ts", "event_id", "receipt_status")


def to_money(events: DataFrame, rates: DataFrame, others: DataFrame | None = None) -> DataFrame:
    """Return the counted money rows of `events`: event columns plus `kind`, `receipt_status` and `amount`.

    `others` holds the rows of silver.transactions of the other days across the horizon, on both sides; None when
    there is none. `kind` is purchase, refund or ad; `amount` is US dollars, not negative, DECIMAL(18,6). Rows that
    `money_set_aside` returns are left out, never counted as 0 or 1:1.
    """
    counted = _counted(events, others)
    return _with_fault(_with_rate(counted, rates)).where("fault IS NULL").drop("usd_per_unit", "fault")


def money_set_aside(events: DataFrame, rates: DataFrame, others: DataFrame | None = None) -> DataFrame:
    """Return the money rows that `to_money` leaves out, with the reason as `fault`.

    `no_rate`: the currency has no rate of the day or the 7 days before. `invalid_amount`: the price is no whole
    number that a contract takes. `amount_out_of_range`: more than `LARGEST_AMOUNT` dollars, which is what keeps
    the sums of a day within their columns, for write keys lie in shipped clients and anybody can send purchases.
    """
    counted = _counted(events, others)
    return _with_fault(_with_rate(counted, rates)).where("fault IS NOT NULL").drop("usd_per_unit", "amount")


def to_transactions(events: DataFrame) -> DataFrame:
    """Return the purchases and refunds of `events` that name their transaction, with the verdict each carries."""
    return (
        _parsed(events)
        .where((sf.col("kind") != "ad") & sf.col("transaction_id").isNotNull())
        .withColumn("receipt_status", _verdict())
        .select(*TRANSACTIONS.schema.fieldNames())
    )


def _parsed(events: DataFrame) -> DataFrame:
    properties = columns_of_events(MONEY_EVENTS, _PROPERTIES)
    return (
        events.where(sf.col("event_name").isin(*MONEY_EVENTS) & ~sf.col("is_excluded"))
        .withColumn("p", sf.from_json("properties", properties))
        .select("game_id", "player_id", "event_id", "event_name", "event_date", "event_ts", "p.*")
        .withColumn("kind", sf.when(sf.col("event_name") == "ad_impression", "ad").otherwise(sf.col("event_name")))
    )


def _verdict() -> Column:
    return sf.when(sf.col("receipt_status").isin(*VERDICTS), sf.col("receipt_status"))


def _counted(events: DataFrame, others: DataFrame | None) -> DataFrame:
    """Keep the purchases, refunds and impressions that count: a transaction once per kind, on its first day.

    Its status is the latest verdict of any of its events. Each row looks across the horizon *from its own day*, so
    that it makes no difference how many days are computed together (metrics.md, Money).
    """
    rows = _parsed(events).withColumn("is_own", sf.lit(True))
    if others is not None:
        rows = rows.unionByName(others.withColumn("is_own", sf.lit(False)), allowMissingColumns=True)
    # In columns of their own, so that no transaction's id can be taken for an event's.
    transaction = sf.when(sf.col("kind") != "ad", sf.col("transaction_id"))
    event = sf.when(transaction.isNull(), sf.col("event_id"))
    by_day = Over.partitionBy("game_id", "kind", transaction, event).orderBy(sf.unix_date("event_date"))
    moment = sf.struct("event_ts", "event_id")
    verdict = sf.when(_verdict().isNotNull(), sf.struct(*_VERDICT))
    marked = rows.withColumns(
        {
            "first": sf.min(moment).over(by_day.rangeBetween(-HORIZON_DAYS, 0)),
            "latest": sf.max(verdict).over(by_day.rangeBetween(-HORIZON_DAYS, HORIZON_DAYS)),
        }
    )
    return (
        marked.where(sf.col("is_own") & (sf.col("first") == moment))
        .withColumn("receipt_status", sf.coalesce("latest.receipt_status", sf.lit("unverified")))
        .where((sf.col("kind") != "purchase") | (sf.col("receipt_status") != "invalid"))
        .drop("is_own", "first", "latest")
    )


def _with_rate(money: DataFrame, rates: DataFrame) -> DataFrame:
    """Add `usd_per_unit` and `amount`."""
    daily = _rate_of_each_day(rates)
    one = sf.lit(1).cast("decimal(18,9)")
    return (
        money.join(daily, ["currency", "event_date"], "left")
        .withColumn("usd_per_unit", sf.when(sf.col("currency") == "USD", one).otherwise(sf.col("usd_per_unit")))
        .withColumn("amount", _amount())
    )


def _with_fault(money: DataFrame) -> DataFrame:
    """Add why a row is not counted, NULL where it is."""
    written = sf.when(sf.col("kind") == "ad", sf.col("revenue_micros")).otherwise(sf.col("price_minor"))
    is_in_range = sf.coalesce(sf.col("amount") <= sf.lit(LARGEST_AMOUNT), sf.lit(False))
    return money.withColumn(
        "fault",
        sf.when(written.isNull() | (written < 0), "invalid_amount")
        .when(sf.col("usd_per_unit").isNull(), "no_rate")
        .when(~is_in_range, "amount_out_of_range"),
    )


def _rate_of_each_day(rates: DataFrame) -> DataFrame:
    """Return, per currency and day, the newest rate that is not later and at most 7 days older."""
    valid_on = sf.explode(sf.sequence("rate_date", sf.date_add("rate_date", RATE_DAYS)))
    return (
        rates.withColumn("event_date", valid_on)
        .groupBy("currency", "event_date")
        .agg(sf.max_by("usd_per_unit", "rate_date").cast("decimal(18,9)").alias("usd_per_unit"))
    )


def _amount() -> Column:
    """US dollars of the row; a number too large for exact arithmetic gives NULL.

    The precisions are chosen so that the products fit 38 digits: wider ones would be rounded twice.
    """
    currency, rate = sf.col("currency"), sf.col("usd_per_unit")
    unit = (
        sf.when(currency.isin(*WITHOUT_DECIMALS), sf.lit("1"))
        .when(currency.isin(*WITH_THREE_DECIMALS), sf.lit("0.001"))
        .otherwise(sf.lit("0.01"))
        .cast("decimal(4,3)")
    )
    at_rate = sf.col("price_minor").try_cast("decimal(14,0)") * rate
    price = (at_rate * unit).try_cast("decimal(18,6)")
    price_of_small_unit = (at_rate * sf.lit("0.0001").cast("decimal(4,4)")).try_cast("decimal(18,6)")
    revenue = sf.col("revenue_micros").try_cast("decimal(12,0)") * rate * sf.lit("0.000001").cast("decimal(6,6)")
    return (
        sf.when(sf.col("kind") == "ad", revenue.try_cast("decimal(18,6)"))
        .when(currency.isin(*WITH_FOUR_DECIMALS), price_of_small_unit)
        .otherwise(price)
    )

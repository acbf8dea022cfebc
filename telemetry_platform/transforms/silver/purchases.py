"""Events to `silver.purchases`: purchases and refunds, each classified once."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.amounts import COUNTED
from telemetry_platform.contracts.tables.purchases import PURCHASES
from telemetry_platform.games.game import Game
from telemetry_platform.transforms.money import with_amount, worth_of_minor_units
from telemetry_platform.transforms.silver.transactions import payments_of, verdict

TRANSACTION_DAYS = 30

# The latest one sorts last.
_VERDICT = ("event_ts", "event_id", "receipt_status")


def to_purchases(
    events: DataFrame,
    rates: DataFrame,
    *,
    start: date,
    end: date,
    games: Mapping[str, Game],
    transactions: DataFrame | None = None,
) -> DataFrame:
    """Return every purchase and refund of `events`, which holds the days [start, end), with its `status`.

    `transactions` holds the rows of silver.transactions across the horizon before and after these days; None when
    there is none. `amount` is in the game's reporting currency, negative for refunds, and NULL unless the status is
    `counted`. Of several reasons against a row the first of these stands: `duplicate_transaction`,
    `invalid_receipt`, then those of `with_amount`.
    """
    rated = with_amount(
        _with_transaction(events, transactions),
        rates,
        start=start,
        end=end,
        games=games,
        written="price_minor",
        worth=worth_of_minor_units,
    )
    signed = sf.when(sf.col("kind") == "refund", -sf.col("amount")).otherwise(sf.col("amount"))
    return (
        rated.withColumn("status", _status())
        .withColumn("amount", sf.when(sf.col("status") == COUNTED, signed))
        .select(*PURCHASES.schema.fieldNames())
    )


def _status() -> Column:
    is_forged = (sf.col("kind") == "purchase") & (sf.col("receipt_status") == "invalid")
    return (
        sf.when(~sf.col("is_first"), "duplicate_transaction")
        .when(is_forged, "invalid_receipt")
        .otherwise(sf.coalesce("fault", sf.lit(COUNTED)))
    )


def _with_transaction(events: DataFrame, others: DataFrame | None) -> DataFrame:
    """Return the payments, whether each `is_first` of its transaction and kind, and the transaction's receipt status.

    The status is the latest verdict of any of the transaction's events. Each row looks across the horizon *from its
    own day*, so that it makes no difference how many days are computed together (metrics.md, Money).
    """
    rows = payments_of(events).withColumn("is_own", sf.lit(True))
    if others is not None:
        rows = rows.unionByName(others.withColumn("is_own", sf.lit(False)), allowMissingColumns=True)
    # In a column of its own, so that no transaction's id can be taken for an event's.
    event = sf.when(sf.col("transaction_id").isNull(), sf.col("event_id"))
    by_day = Over.partitionBy("game_id", "kind", "transaction_id", event).orderBy(sf.unix_date("event_date"))
    moment = sf.struct("event_ts", "event_id")
    told = sf.when(verdict().isNotNull(), sf.struct(*_VERDICT))
    return (
        rows.withColumns(
            {
                "is_first": sf.min(moment).over(by_day.rangeBetween(-TRANSACTION_DAYS, 0)) == moment,
                "latest": sf.max(told).over(by_day.rangeBetween(-TRANSACTION_DAYS, TRANSACTION_DAYS)),
            }
        )
        .where("is_own")
        .withColumn("receipt_status", sf.coalesce("latest.receipt_status", sf.lit("unverified")))
        .drop("is_own", "latest")
    )

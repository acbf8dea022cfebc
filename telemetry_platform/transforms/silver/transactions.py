"""Events to `silver.transactions`: which purchase and refund events name which transaction."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.transactions import TRANSACTIONS
from telemetry_platform.transforms.properties import with_properties

PAYMENT_EVENTS = ("purchase", "refund")
VERDICTS = ("valid", "invalid")

_PROPERTIES = ("transaction_id", "product_id", "price_minor", "currency", "receipt_status")


def to_transactions(events: DataFrame) -> DataFrame:
    """Return the purchases and refunds of `events` that name their transaction, with the verdict each carries."""
    return (
        payments_of(events)
        .where(sf.col("transaction_id").isNotNull())
        .withColumn("receipt_status", verdict())
        .select(*TRANSACTIONS.schema.fieldNames())
    )


def payments_of(events: DataFrame) -> DataFrame:
    """Return the purchases and refunds of `events` that are not excluded: their `kind`, ids and properties."""
    return with_properties(events, PAYMENT_EVENTS, _PROPERTIES).select(
        "event_date", "game_id", "event_id", "event_ts", "player_id", sf.col("event_name").alias("kind"), "p.*"
    )


def verdict() -> Column:
    """What a row says of its receipt: valid or invalid; NULL when it says neither."""
    return sf.when(sf.col("receipt_status").isin(*VERDICTS), sf.col("receipt_status"))

"""Contract of `silver.transactions`: one row per purchase or refund event that names its transaction."""

from pyspark.sql.types import DateType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

TRANSACTIONS = Table(
    name="silver.transactions",
    description=(
        "Purchase and refund events by transaction; one row per event. Stores hand an unfinished purchase over again "
        "at a later start: what counts, and on which day, is looked up here across the lateness horizon."
    ),
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day of event_ts."),
            column("game_id", StringType(), "Game."),
            column("kind", StringType(), "purchase or refund."),
            column("transaction_id", StringType(), "Transaction of the store."),
            column("event_id", StringType(), "Id of the event."),
            column("event_ts", TimestampType(), "When it happened, on the clock of the server (UTC)."),
            column("receipt_status", StringType(), "Verdict that the event carries: valid, invalid; else NULL."),
        ]
    ),
    keys=("game_id", "event_id"),
    date_column="event_date",
    partition_by=("event_date",),
)

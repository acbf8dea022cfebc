"""Contract of `silver.purchases`: one row per purchase or refund event that is not excluded, counted or not."""

from pyspark.sql.types import DateType, LongType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import MONEY, column
from telemetry_platform.contracts.tables.table import Table

PURCHASES = Table(
    name="silver.purchases",
    description=(
        "Purchases and refunds; one row per event that is not excluded. Each is classified once by its status, and "
        "only what is counted has an amount: a transaction once per kind, on the day of its first event."
    ),
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day of event_ts."),
            column("game_id", StringType(), "Game."),
            column("event_id", StringType(), "Id of the event."),
            column("event_ts", TimestampType(), "When it happened, on the clock of the server (UTC)."),
            column("player_id", StringType(), "Effective player."),
            column("kind", StringType(), "purchase or refund."),
            column("transaction_id", StringType(), "Transaction of the store; NULL when the event names none."),
            column("product_id", StringType(), "Product as sent; NULL when the event names none."),
            column("price_minor", LongType(), "Total as sent, in minor units of currency; NULL: no whole number."),
            column("currency", StringType(), "ISO 4217 code as sent."),
            column("amount", MONEY, "In reporting_currency, gross of store fees, refunds negative; NULL: not counted."),
            column("reporting_currency", StringType(), "ISO 4217 code of the currency the game reports in."),
            column(
                "receipt_status", StringType(), "Latest verdict on its transaction: valid, invalid; else unverified."
            ),
            column(
                "status",
                StringType(),
                "counted, duplicate_transaction, invalid_receipt, invalid_amount, no_rate or amount_out_of_range.",
            ),
        ]
    ),
    keys=("game_id", "event_id"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)

"""Contract of `silver.ad_impressions`: one row per ad impression that is not excluded, counted or not."""

from pyspark.sql.types import DateType, LongType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import MONEY, column
from telemetry_platform.contracts.tables.table import Table

AD_IMPRESSIONS = Table(
    name="silver.ad_impressions",
    description=(
        "Ad impressions with their revenue; one row per event that is not excluded. Each is classified once by its "
        "status, and only what is counted has an amount."
    ),
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day of event_ts."),
            column("game_id", StringType(), "Game."),
            column("event_id", StringType(), "Id of the event."),
            column("event_ts", TimestampType(), "When it happened, on the clock of the server (UTC)."),
            column("player_id", StringType(), "Effective player."),
            column("network", StringType(), "Ad network as sent."),
            column("placement", StringType(), "Placement as sent."),
            column("ad_format", StringType(), "Format as sent: rewarded, interstitial, banner and so on."),
            column("revenue_micros", LongType(), "As sent, millionths of a unit of currency; NULL: no whole number."),
            column("currency", StringType(), "ISO 4217 code as sent."),
            column("amount", MONEY, "In reporting_currency; NULL: not counted."),
            column("reporting_currency", StringType(), "ISO 4217 code of the currency the game reports in."),
            column("status", StringType(), "counted, invalid_amount, no_rate or amount_out_of_range."),
        ]
    ),
    keys=("game_id", "event_id"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)

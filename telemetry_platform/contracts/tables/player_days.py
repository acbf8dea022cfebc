"""Contract of `silver.player_days`: one row per player and day with at least one event that is not excluded."""

from pyspark.sql.types import BooleanType, DateType, DoubleType, LongType, StringType, StructType

from telemetry_platform.contracts.tables.column import MONEY, column
from telemetry_platform.contracts.tables.table import Table

PLAYER_DAYS = Table(
    name="silver.player_days",
    description=(
        "What a player did on a day; one row per player and day with at least one event that is not excluded. "
        "Money is in the game's reporting currency."
    ),
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day."),
            column("game_id", StringType(), "Game."),
            column("player_id", StringType(), "Effective player."),
            column("is_active", BooleanType(), "Any event other than refunds and events of the server."),
            column("has_install", BooleanType(), "An install event on the day."),
            column("session_count", LongType(), "Sessions that start on the day."),
            column("playtime_seconds", DoubleType(), "Seconds of the sessions that start on the day."),
            column("event_count", LongType(), "Events that are not excluded, refunds and server events included."),
            column("purchase_count", LongType(), "Counted purchases: receipt valid or unverified, once a transaction."),
            column("iap_revenue", MONEY, "Counted purchases minus refunds, gross of store fees."),
            column("iap_revenue_unverified", MONEY, "Counted purchases whose receipt is unverified or missing."),
            column("refunds", MONEY, "Refunds of the day, not negative."),
            column("ad_revenue", MONEY, "Revenue of ad impressions."),
            column("ad_impressions", LongType(), "Ad impressions."),
            column("levels_completed", LongType(), "level_completed events."),
            column("levels_failed", LongType(), "level_failed events."),
            column("platform", StringType(), "Platform of the last active event of the day; NULL is unknown."),
            column("country", StringType(), "Country of the last active event of the day; NULL is unknown."),
            column("build_version", StringType(), "Version of the last active event of the day; NULL is unknown."),
            column("is_open", BooleanType(), "May change: the day is not closed, or one of its sessions goes on."),
        ]
    ),
    keys=("event_date", "game_id", "player_id"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)

"""Contract of `gold.daily_kpis`: one row per day, game, segment and segment value."""

from pyspark.sql.types import BooleanType, DateType, DoubleType, LongType, StringType, StructType

from telemetry_platform.contracts.tables.column import MONEY, column
from telemetry_platform.contracts.tables.table import Table

DAILY_KPIS = Table(
    name="gold.daily_kpis",
    description=(
        "The daily sheet; one row per day, game, segment and segment value (all/all is the whole game). "
        "Money is in the game's reporting currency."
    ),
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day."),
            column("game_id", StringType(), "Game."),
            column("segment", StringType(), "all, platform, country or build_version."),
            column("segment_value", StringType(), "Value of the segment; all for the whole game, unknown for NULL."),
            column("dau", LongType(), "Players active on the day."),
            column("wau", LongType(), "Players active in the 7 days that end with the day."),
            column("mau_30d", LongType(), "Players active in the 30 days that end with the day."),
            column("mau_calendar", LongType(), "Players active since the first of the month."),
            column("stickiness", DoubleType(), "DAU / MAU (rolling 30); NULL when nobody played."),
            column("new_players", LongType(), "Active players whose first active day it is."),
            column("returning_players", LongType(), "Active players who were active the day before too."),
            column("resurrected_players", LongType(), "Active players seen before, but not the day before."),
            column("dormant_players", LongType(), "Players active the day before and not on the day."),
            column("sessions", LongType(), "Sessions that start on the day."),
            column("sessions_per_dau", DoubleType(), "Sessions / DAU; NULL when nobody played."),
            column("session_seconds_mean", DoubleType(), "Mean length of the sessions, seconds."),
            column("session_seconds_median", DoubleType(), "Exact median length of the sessions, seconds."),
            column("session_seconds_p90", DoubleType(), "Exact 90th percentile of the length of sessions, seconds."),
            column("playtime_seconds", DoubleType(), "Seconds of all sessions that start on the day."),
            column("iap_revenue", MONEY, "Counted purchases minus refunds, gross of store fees."),
            column("iap_revenue_unverified", MONEY, "Counted purchases whose receipt is unverified or missing."),
            column("refunds", MONEY, "Refunds of the day, not negative."),
            column("ad_revenue", MONEY, "Revenue of ad impressions."),
            column("revenue", MONEY, "IAP revenue plus ad revenue."),
            column("payers", LongType(), "Players with a counted purchase on the day."),
            column("payer_share", DoubleType(), "Payers / DAU; NULL when nobody played."),
            column("new_payers", LongType(), "Players whose first counted purchase is on the day."),
            column("purchases", LongType(), "Counted purchases."),
            column("arpdau", DoubleType(), "Revenue / DAU; NULL when nobody played."),
            column("arpu_30d", DoubleType(), "Revenue of the trailing 30 days / MAU (rolling 30)."),
            column("arppu_30d", DoubleType(), "IAP revenue of the trailing 30 days / payers in them."),
            column("is_closed", BooleanType(), "The day is over and bronze has committed past it."),
            column("is_open", BooleanType(), "May change: the day is not closed, or one of its sessions goes on."),
        ]
    ),
    keys=("event_date", "game_id", "segment", "segment_value"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)

"""Contract of `gold.player_snapshots`: one row per player seen so far and day."""

from pyspark.sql.types import DateType, LongType, StringType, StructType

from telemetry_platform.contracts.tables.column import MONEY, column
from telemetry_platform.contracts.tables.table import Table

PLAYER_SNAPSHOTS = Table(
    name="gold.player_snapshots",
    description=(
        "State of every player seen so far at the end of a day; one row per player and day. On the day on which a "
        "guest's id is linked to an account, its row is merged into the account's: counts and money are added (a day "
        "on which both played or paid counts for both), bitmaps joined, first and last values go by their days. "
        "Money is in the game's reporting currency."
    ),
    schema=StructType(
        [
            column("snapshot_date", DateType(), "UTC day at whose end the state holds."),
            column("game_id", StringType(), "Game."),
            column("player_id", StringType(), "Effective player."),
            column("first_seen_date", DateType(), "First active day; NULL for a player who only has money so far."),
            column("last_seen_date", DateType(), "Last active day up to the snapshot."),
            column("active_days", LongType(), "Active days up to the snapshot."),
            column(
                "activity_first_91",
                StringType(),
                "91 characters; character n+1 is 1 when active on first_seen_date + n.",
            ),
            column(
                "activity_last_91", StringType(), "91 characters; character n+1 is 1 when active on snapshot_date - n."
            ),
            column("first_purchase_date", DateType(), "Day of the first counted purchase."),
            column("last_purchase_date", DateType(), "Day of the last counted purchase."),
            column("lifetime_revenue", MONEY, "Purchases minus refunds plus ads, up to the snapshot."),
            column("lifetime_purchases", LongType(), "Counted purchases up to the snapshot."),
            column("frequency", LongType(), "Days with a purchase after the first such day."),
            column(
                "recency_days", LongType(), "Days from the first to the last purchase day; NULL without a purchase."
            ),
            column(
                "age_days", LongType(), "Days from the first purchase day to the snapshot; NULL without a purchase."
            ),
            column("monetary_value", MONEY, "Mean revenue per repeat purchase day; NULL without one."),
            column("first_purchase_revenue", MONEY, "Revenue on the first purchase day; NULL without a purchase."),
            column("repeat_purchase_revenue", MONEY, "Revenue on purchase days after the first one."),
            column("first_platform", StringType(), "Platform on the first active day; NULL is unknown."),
            column("first_country", StringType(), "Country on the first active day; NULL is unknown."),
            column(
                "first_build_version", StringType(), "Version of the game on the first active day; NULL is unknown."
            ),
            column("last_platform", StringType(), "Platform on the last active day; NULL is unknown."),
            column("last_country", StringType(), "Country on the last active day; NULL is unknown."),
            column("last_build_version", StringType(), "Version of the game on the last active day; NULL is unknown."),
        ]
    ),
    keys=("snapshot_date", "game_id", "player_id"),
    date_column="snapshot_date",
    partition_by=("snapshot_date", "game_id"),
)

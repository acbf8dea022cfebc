"""Contract of `silver.client_health`: one row per event that says how well a client does."""

from pyspark.sql.types import BooleanType, DateType, DoubleType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

CLIENT_HEALTH = Table(
    name="silver.client_health",
    description=(
        "How well clients do; one row per client_error, login_failed, performance, matchmaking or purchase_failed "
        "event that is not excluded. What only the other events measure is NULL."
    ),
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day of event_ts."),
            column("game_id", StringType(), "Game."),
            column("event_id", StringType(), "Id of the event."),
            column("event_ts", TimestampType(), "When it happened, on the clock of the server (UTC)."),
            column("event_name", StringType(), "Which of the five events it is."),
            column("player_id", StringType(), "Effective player."),
            column("device_id", StringType(), "Device as sent; NULL when the client gave none."),
            column("platform", StringType(), "Platform as sent."),
            column("build_version", StringType(), "Version of the game as sent."),
            column("country", StringType(), "ISO 3166 country as sent."),
            column("kind", StringType(), "client_error: kind of error, as the game names it."),
            column("is_fatal", BooleanType(), "client_error: the client ended by it."),
            column("message", StringType(), "client_error: what it said; NULL when not given."),
            column("reason", StringType(), "login_failed, purchase_failed: why."),
            column("product_id", StringType(), "purchase_failed: product that was not bought."),
            column("stage", StringType(), "purchase_failed: how far the purchase came; NULL when not given."),
            column("fps_avg", DoubleType(), "performance: mean frames per second."),
            column("fps_p5", DoubleType(), "performance: frames per second that 95 % of the time were exceeded."),
            column("memory_mb", DoubleType(), "performance: memory in use, in megabytes."),
            column("ping_ms", DoubleType(), "performance: round trip to the game's server, in milliseconds."),
            column("load_seconds", DoubleType(), "performance: time the last scene took to load, in seconds."),
            column("queue", StringType(), "matchmaking: queue the player waited in."),
            column("seconds", DoubleType(), "matchmaking: time waited, in seconds."),
            column("outcome", StringType(), "matchmaking: how it ended: matched, cancelled, timed_out."),
        ]
    ),
    keys=("game_id", "event_id"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)

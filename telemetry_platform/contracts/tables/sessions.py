"""Contract of `silver.sessions`: one row per session, on the day on which it starts."""

from pyspark.sql.types import BooleanType, DateType, DoubleType, LongType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

SESSIONS = Table(
    name="silver.sessions",
    description="Sessions; one row per session of a player on a device, on the day on which it starts.",
    schema=StructType(
        [
            column("session_date", DateType(), "UTC day on which the session starts."),
            column("game_id", StringType(), "Game."),
            column("session_key", StringType(), "SHA-256 of game, player, device and start."),
            column("player_id", StringType(), "Effective player."),
            column("device_id", StringType(), "Device; NULL when the client gave none."),
            column("started_ts", TimestampType(), "event_ts of the first event (UTC)."),
            column("ended_ts", TimestampType(), "event_ts of the last event (UTC)."),
            column("duration_seconds", DoubleType(), "Seconds from the first to the last event; 0 for a single event."),
            column("event_count", LongType(), "Events of the session, also those after midnight."),
            column("is_truncated", BooleanType(), "Not known to have ended within 7 days after its day."),
            column("is_open", BooleanType(), "May still go on: it ends within one gap of what is not closed yet."),
            column("platform", StringType(), "Platform of the last event."),
            column("build_version", StringType(), "Version of the game of the last event."),
            column("country", StringType(), "Country of the last event."),
        ]
    ),
    keys=("game_id", "session_key"),
    date_column="session_date",
    partition_by=("session_date", "game_id"),
)

"""Contract of `silver.level_attempts`: one row per time a player tried a level, on the day on which the try began."""

from pyspark.sql.types import BooleanType, DateType, DoubleType, LongType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

LEVEL_ATTEMPTS = Table(
    name="silver.level_attempts",
    description=(
        "Attempts at levels; one row per level_started event inside a session, on its day. An attempt lasts to its "
        "level_completed, the player's next level_started or the end of the session. Excluded events, those a server "
        "sends, and those outside sessions make none."
    ),
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day of started_ts."),
            column("game_id", StringType(), "Game."),
            column("event_id", StringType(), "Id of the level_started event."),
            column("player_id", StringType(), "Effective player."),
            column("device_id", StringType(), "Device; NULL when the client gave none."),
            column("session_key", StringType(), "Session of silver.sessions that the attempt is in."),
            column("level", StringType(), "Level as the game names it; a number as its digits."),
            column("level_index", LongType(), "Place of the level in the game's order; NULL when not given."),
            column("started_ts", TimestampType(), "event_ts of the level_started (UTC)."),
            column("ended_ts", TimestampType(), "When it was completed, the next began or the session ended (UTC)."),
            column("seconds", DoubleType(), "Seconds from started_ts to ended_ts."),
            column("fails", LongType(), "level_failed events of the level inside the attempt."),
            column("outcome", StringType(), "completed; else failed if it has fails, else abandoned."),
            column("is_open", BooleanType(), "May still change without any late event: it ends in what is not closed."),
            column("platform", StringType(), "Platform of the level_started."),
            column("build_version", StringType(), "Version of the game of the level_started."),
            column("country", StringType(), "Country of the level_started."),
        ]
    ),
    keys=("game_id", "event_id"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)

"""Contract of `silver.events`: one row per accepted event, however often it was sent."""

from pyspark.sql.types import BooleanType, DateType, IntegerType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

EVENTS = Table(
    name="silver.events",
    description="Accepted events; one row per event_id of a game, the first received copy.",
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day of event_ts."),
            column("game_id", StringType(), "Game the event belongs to, from the key it was sent with."),
            column("event_id", StringType(), "Id the client gave the event (UUID)."),
            column("event_name", StringType(), "What happened: session_start, purchase and so on."),
            column("event_version", IntegerType(), "Version of the event schema."),
            column("event_ts", TimestampType(), "When it happened, on the clock of the server (UTC)."),
            column("created_ts", TimestampType(), "When it happened, on the clock of the client (UTC)."),
            column("sent_ts", TimestampType(), "When the client sent it, on its own clock (UTC); NULL when not given."),
            column("received_ts", TimestampType(), "When the server received the first copy (UTC)."),
            column(
                "player_id",
                StringType(),
                "Effective player: the account that the sent id belongs to on the day, else that id.",
            ),
            column(
                "sent_player_id",
                StringType(),
                "player_id as sent; NULL when the client gave none: its id is the device_id.",
            ),
            column("device_id", StringType(), "Device as sent; NULL when the client gave none."),
            column("session_id", StringType(), "Session id of the client: kept, not trusted."),
            column("platform", StringType(), "Platform as sent: ios, android, server and so on."),
            column("build_version", StringType(), "Version of the game as sent."),
            column("country", StringType(), "ISO 3166 country as sent."),
            column("environment", StringType(), "Environment as sent; missing counts as production."),
            column("source", StringType(), "How it came in: collector, import, replay or direct."),
            column("arrival", StringType(), "on_time, late or imported."),
            column("is_excluded", BooleanType(), "Not production, or from a test player or test build: in no metric."),
            column("clock_corrected", BooleanType(), "The clock of the client was unusable: event_ts is received_ts."),
            column("properties", StringType(), "Properties of the event as JSON text."),
        ]
    ),
    keys=("game_id", "event_id"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)

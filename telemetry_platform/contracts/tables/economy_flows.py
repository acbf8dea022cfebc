"""Contract of `silver.economy_flows`: one row per movement of a game's own currency."""

from pyspark.sql.types import DateType, LongType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

ECONOMY_FLOWS = Table(
    name="silver.economy_flows",
    description=(
        "Units of a game's own currency that players got and spent; one row per economy_source or economy_sink event "
        "that is not excluded."
    ),
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day of event_ts."),
            column("game_id", StringType(), "Game."),
            column("event_id", StringType(), "Id of the event."),
            column("event_ts", TimestampType(), "When it happened, on the clock of the server (UTC)."),
            column("player_id", StringType(), "Effective player."),
            column("flow", StringType(), "source: the player got the units; sink: the player spent them."),
            column("soft_currency", StringType(), "Name of the game's own currency."),
            column("amount", LongType(), "Units that flowed, never negative: flow says in which direction."),
            column("reason", StringType(), "What the flow was for."),
            column("balance", LongType(), "Units the player held afterwards, as sent; NULL when the game gave none."),
        ]
    ),
    keys=("game_id", "event_id"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)

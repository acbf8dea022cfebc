"""Contract of `silver.experiment_exposures`: one row per time a player met a variant of an experiment."""

from pyspark.sql.types import DateType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

EXPERIMENT_EXPOSURES = Table(
    name="silver.experiment_exposures",
    description=(
        "Times players met a variant of an experiment; one row per experiment_exposure event that is not excluded. "
        "A player may have many of one experiment, and of two variants."
    ),
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day of event_ts."),
            column("game_id", StringType(), "Game."),
            column("event_id", StringType(), "Id of the event."),
            column("event_ts", TimestampType(), "When it happened, on the clock of the server (UTC)."),
            column("player_id", StringType(), "Effective player."),
            column("experiment", StringType(), "Experiment, as the game names it."),
            column("variant", StringType(), "Variant that the player met."),
        ]
    ),
    keys=("game_id", "event_id"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)

"""Contract of `ops.materialized_days`: one row per table and day that was ever materialized."""

from pyspark.sql.types import BooleanType, DateType, LongType, MapType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

MATERIALIZED_DAYS = Table(
    name="ops.materialized_days",
    description=(
        "Which day of which table was materialized, from what; one row per table and day. No row: never run. "
        "State writing: a run is at it, or died. State done with 0 rows: there was nothing."
    ),
    schema=StructType(
        [
            column("table_name", StringType(), "Table, as stage.table."),
            column("day", DateType(), "Day of the table's date column."),
            column("state", StringType(), "writing or done."),
            column("delta_version", LongType(), "Version of the table that the day was written in."),
            column("table_id", StringType(), "Delta's id of the table: another one was made in its place."),
            column("rows", LongType(), "Rows of the day."),
            column("bronze_version", LongType(), "Version of bronze.events that the run read."),
            column("bronze_rows", LongType(), "Good bronze rows of this event day at that version."),
            column("bronze_rows_before", LongType(), "The same of the day before."),
            column("bronze_rows_after", LongType(), "The same of the day after."),
            column(
                "fingerprints",
                MapType(StringType(), LongType()),
                "Per game: of the day's player days or identity links; of a snapshot, of all player days so far; of "
                "events, of all identity links so far. Identity links have that of earlier days under an empty key.",
            ),
            column("is_stale", BooleanType(), "Days further away have gained rows that change it: to be restated."),
            column("games_fingerprint", StringType(), "Fingerprint of the registry of games that the run read."),
            column("run_id", StringType(), "Dagster run."),
            column("changed_ts", TimestampType(), "When this row was written (UTC)."),
        ]
    ),
    keys=("table_name", "day"),
    date_column="day",
    partition_by=("table_name",),
)

"""Contract of `silver.unsent_ids`: one row per delivery whose `sent_ts` is not known."""

from pyspark.sql.types import DateType, IntegerType, LongType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

UNSENT_IDS = Table(
    name="silver.unsent_ids",
    description=(
        "Deliveries without sent_ts that were not imported; one row per bronze row. Their time may fall back to "
        "received_ts, so copies of one event can lie days apart: silver.events looks them up here."
    ),
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day of event_ts."),
            column("game_id", StringType(), "Game."),
            column("event_id", StringType(), "Id the client gave the event, in lower case."),
            column("received_ts", TimestampType(), "When the server received this copy (UTC)."),
            column("kafka_topic", StringType(), "Topic of this copy."),
            column("kafka_partition", IntegerType(), "Partition of this copy."),
            column("kafka_offset", LongType(), "Offset of this copy."),
            column(
                "content_sha256",
                StringType(),
                "Fingerprint of what the client said, in canonical JSON; NULL in rows from before there was one.",
            ),
        ]
    ),
    keys=("kafka_topic", "kafka_partition", "kafka_offset"),
    date_column="event_date",
    partition_by=("event_date",),
)

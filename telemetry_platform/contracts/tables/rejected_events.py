"""Contract of `silver.rejected_events`: one row per Kafka record that counts nowhere, with the reason."""

from pyspark.sql.types import BinaryType, DateType, IntegerType, LongType, StringType, StructType, TimestampType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

REJECTED_EVENTS = Table(
    name="silver.rejected_events",
    description=(
        "Records that are no event, with the reason; one row per Kafka record. What the collector and the stream "
        "refused belongs to the day it was received; what silver refused, to the day of the event."
    ),
    schema=StructType(
        [
            column("received_date", DateType(), "UTC day of received_ts."),
            column("stage", StringType(), "Who refused it: collector, stream or silver."),
            column("event_date", DateType(), "UTC day of the event; NULL when the collector or the stream refused it."),
            column("error_type", StringType(), "Reason: the collector's, event_id_collision, or the rule it breaks."),
            column("error_message", StringType(), "The reason in words."),
            column("raw_value", BinaryType(), "Bytes as they were sent; of silver's rejects the event as JSON."),
            column("game_id", StringType(), "Game; NULL when that is not known."),
            column("event_id", StringType(), "Id the client gave the event; NULL when that cannot be read."),
            column("received_ts", TimestampType(), "When the server received it (UTC)."),
            column("kafka_topic", StringType(), "Topic of the record."),
            column("kafka_partition", IntegerType(), "Partition of the record."),
            column("kafka_offset", LongType(), "Offset of the record."),
            column("replayed_ts", TimestampType(), "When it was sent again (UTC); NULL when it was not."),
        ]
    ),
    keys=("kafka_topic", "kafka_partition", "kafka_offset"),
    date_column="event_date",
    partition_by=("received_date", "stage", "event_date"),
    other_date_column="received_date",
)

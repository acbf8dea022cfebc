"""Contract of `bronze.events`."""

from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DateType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from telemetry_platform.contracts.columns import envelope_columns
from telemetry_platform.contracts.tables.table import Table

_SENT = envelope_columns()

ENVELOPE = StructType(
    [
        _SENT["event_id"],
        _SENT["event_name"],
        _SENT["event_version"],
        StructField("game_id", StringType()),
        _SENT["player_id"],
        _SENT["device_id"],
        _SENT["session_id"],
        _SENT["platform"],
        _SENT["build_version"],
        _SENT["country"],
        _SENT["environment"],
        _SENT["created_ts"],
        StructField("sent_ts", TimestampType()),
        StructField("received_ts", TimestampType()),
        StructField("event_ts", TimestampType()),
        StructField("source", StringType()),
        StructField("clock_corrected", BooleanType()),
        _SENT["properties"],
    ]
)

BRONZE_EVENTS = Table(
    name="bronze.events",
    description="Every Kafka record as it arrived; one row per topic, partition and offset.",
    schema=StructType(
        [
            *ENVELOPE.fields,
            StructField("event_date", DateType()),
            StructField("error_type", StringType()),
            StructField("error_message", StringType()),
            StructField("raw_value", BinaryType()),
            StructField("kafka_topic", StringType()),
            StructField("kafka_partition", IntegerType()),
            StructField("kafka_offset", LongType()),
            StructField("received_date", DateType()),
            StructField("arrival", StringType()),
        ]
    ),
    keys=("kafka_topic", "kafka_partition", "kafka_offset"),
    date_column="received_date",
    partition_by=("received_date", "arrival"),
)

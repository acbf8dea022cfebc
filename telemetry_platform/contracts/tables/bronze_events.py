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

from telemetry_platform.contracts.tables.table import Table

ENVELOPE = StructType(
    [
        StructField("event_id", StringType()),
        StructField("event_name", StringType()),
        StructField("event_version", IntegerType()),
        StructField("game_id", StringType()),
        StructField("player_id", StringType()),
        StructField("device_id", StringType()),
        StructField("session_id", StringType()),
        StructField("platform", StringType()),
        StructField("build_version", StringType()),
        StructField("country", StringType()),
        StructField("environment", StringType()),
        StructField("created_ts", TimestampType()),
        StructField("sent_ts", TimestampType()),
        StructField("received_ts", TimestampType()),
        StructField("event_ts", TimestampType()),
        StructField("source", StringType()),
        StructField("clock_corrected", BooleanType()),
        StructField("properties", StringType()),
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

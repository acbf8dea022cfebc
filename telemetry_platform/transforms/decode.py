"""Kafka records to bronze rows: parse the envelope, keep the properties as text, lose nothing."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS, ENVELOPE

TRUSTED_SOURCES = ("collector", "import", "replay")
DAY_MICROS = 86_400_000_000
REQUIRED = ("event_id", "event_name", "event_version", "game_id", "created_ts")


def to_bronze(records: DataFrame, *, rejected_topic: str, lateness_horizon_days: int) -> DataFrame:
    """Turn every Kafka record into exactly one bronze row.

    `records` has the Kafka source's columns, headers included. Records of `rejected_topic` carry the
    original bytes as value and the reason in their headers. A record that cannot be decoded keeps its
    raw value and an `error_type`, and has no `event_date`, so that no window of event days reads it.
    """
    is_rejected = sf.col("topic") == rejected_topic
    parsed = sf.from_json(sf.when(~is_rejected, sf.col("value").cast("string")), ENVELOPE)
    header = sf.when(is_rejected, sf.map_from_entries("headers"))
    decoded = records.withColumn("e", parsed).withColumn("h", header)
    timed = _with_times(decoded, is_rejected, lateness_horizon_days)
    return _with_errors(timed, is_rejected, lateness_horizon_days).select(*_bronze_columns(is_rejected))


def _header(name: str) -> Column:
    return sf.col("h")[name].cast("string")


def _with_times(decoded: DataFrame, is_rejected: Column, lateness_horizon_days: int) -> DataFrame:
    """Add `received_ts`, `event_ts` and `clock_corrected`.

    A trusted producer that writes to the topic itself stamps nothing: the record's timestamp is then
    the received time, and the event time follows metrics.md.
    """
    is_trusted = sf.coalesce(sf.col("e.source").isin(*TRUSTED_SOURCES), sf.lit(False))
    received = sf.when(is_rejected, sf.coalesce(_header("received_ts").cast("timestamp"), "timestamp")).otherwise(
        sf.when(is_trusted, sf.coalesce("e.received_ts", "timestamp")).otherwise(sf.col("timestamp"))
    )
    return (
        decoded.withColumn("is_trusted", is_trusted)
        .withColumn("received", received)
        .withColumn("is_believable", _is_created_believable(lateness_horizon_days))
        .withColumn("event_time", sf.when(is_trusted, sf.col("e.event_ts")).otherwise(_event_time_of_direct_record()))
    )


def _is_created_believable(lateness_horizon_days: int) -> Column:
    """Whether `created_ts` may stand without a `sent_ts`: not in the future, not beyond the horizon."""
    age = sf.unix_micros("received") - sf.unix_micros("e.created_ts")
    return sf.coalesce(age.between(0, lateness_horizon_days * DAY_MICROS), sf.lit(False))


def _event_time_of_direct_record() -> Column:
    by_clock_offset = sf.timestamp_micros(
        sf.unix_micros("received") - (sf.unix_micros("e.sent_ts") - sf.unix_micros("e.created_ts"))
    )
    with_sent = sf.least(by_clock_offset, sf.col("received"))
    without_sent = sf.when(sf.col("is_believable"), sf.col("e.created_ts")).otherwise(sf.col("received"))
    return sf.when(sf.col("e.sent_ts").isNotNull(), with_sent).otherwise(without_sent)


def _with_errors(timed: DataFrame, is_rejected: Column, lateness_horizon_days: int) -> DataFrame:
    missing = sf.concat_ws(
        ", ",
        *(sf.when(sf.col(f"e.{name}").isNull(), sf.lit(name)) for name in REQUIRED),
        sf.when(sf.coalesce("e.player_id", "e.device_id").isNull(), sf.lit("player_id or device_id")),
        sf.when(sf.col("is_trusted") & sf.col("e.event_ts").isNull(), sf.lit("event_ts")),
    )
    horizon_micros = lateness_horizon_days * DAY_MICROS
    is_direct_and_late = ~sf.col("is_trusted") & (
        sf.unix_micros("event_time") < sf.unix_micros("received") - horizon_micros
    )
    return (
        timed.withColumn("missing", missing)
        .withColumn(
            "error",
            sf.when(is_rejected, sf.coalesce(_header("error_type"), sf.lit("unknown")))
            .when(sf.length("missing") > 0, sf.lit("undecodable"))
            .when(is_direct_and_late, sf.lit("too_late")),
        )
        .withColumn(
            "message",
            sf.when(is_rejected, _header("error_message"))
            .when(sf.col("error") == "undecodable", sf.concat(sf.lit("missing or unreadable: "), "missing"))
            .when(sf.col("error") == "too_late", sf.lit("event_ts is older than the lateness horizon")),
        )
    )


def _bronze_columns(is_rejected: Column) -> list[Column]:
    is_good = sf.col("error").isNull()
    event_date = sf.when(is_good, sf.to_date("event_time"))
    source = sf.when(is_rejected, _header("source")).otherwise(
        sf.when(sf.col("is_trusted"), sf.col("e.source")).otherwise(sf.lit("direct"))
    )
    arrival = (
        sf.when(source == "import", "imported")
        .when(event_date < sf.date_sub(sf.to_date("received"), 1), "late")
        .otherwise("on_time")
    )
    corrected = ~sf.col("is_trusted") & sf.col("e.sent_ts").isNull() & ~sf.col("is_believable")
    computed = {
        "game_id": sf.coalesce("e.game_id", _header("game_id")),
        "event_id": sf.coalesce("e.event_id", _header("event_id")),
        "event_name": sf.coalesce("e.event_name", _header("event_name")),
        "received_ts": sf.col("received"),
        "event_ts": sf.when(is_good, sf.col("event_time")),
        "source": source,
        "clock_corrected": sf.when(is_good, sf.coalesce("e.clock_corrected", corrected, sf.lit(False))),
        "properties": sf.when(is_good, sf.coalesce("e.properties", sf.lit("{}"))),
        "event_date": event_date,
        "error_type": sf.col("error"),
        "error_message": sf.col("message"),
        "raw_value": sf.when(~is_good, sf.col("value")),
        "kafka_topic": sf.col("topic"),
        "kafka_partition": sf.col("partition"),
        "kafka_offset": sf.col("offset"),
        "received_date": sf.to_date("received"),
        "arrival": arrival,
    }
    return [
        computed.get(name, sf.col(f"e.{name}") if name in ENVELOPE.fieldNames() else sf.lit(None)).alias(name)
        for name in BRONZE_EVENTS.schema.fieldNames()
    ]

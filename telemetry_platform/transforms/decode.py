"""Kafka records to bronze rows: parse the envelope, keep the properties as text, lose nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.signature import LENGTH_DIGITS, SIGNATURE_HEADER
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS, ENVELOPE

SOURCES = ("collector", "import", "replay", "direct")
REQUIRED = ("event_id", "event_name", "event_version", "game_id", "created_ts", "event_ts", "source")
# The times a contract takes (years 1970 to 2199); a record's own stamps are held to them too.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
AFTER_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def is_signed(key: bytes) -> Column:
    """Whether a Kafka record carries the collector's signature of its value; never NULL."""
    length = sf.lpad(sf.lower(sf.hex(sf.octet_length("value").cast("bigint"))), LENGTH_DIGITS, "0")
    expected = sf.sha2(sf.concat(sf.lit(key), length.cast("binary"), "value"), 256)
    return sf.coalesce(expected == sf.lower(sf.hex(_header_bytes(SIGNATURE_HEADER))), sf.lit(False))


def to_bronze(records: DataFrame, is_rejected: Column, *, with_columns: Sequence[str] = ()) -> DataFrame:
    """Turn every record into exactly one bronze row.

    `records` has the Kafka source's columns, headers included; their values are events that were validated and
    stamped. Where `is_rejected`, the value is the original bytes, and the reason is in the headers. A record that
    cannot be decoded keeps its raw value and an `error_type`, and has no `event_date`, so that no window of event
    days reads it. No value of any column makes this fail: one record must not stop the stream for all games.
    Columns of `records` named by `with_columns` come through behind bronze's own.
    """
    parsed = sf.from_json(sf.when(~is_rejected, sf.col("value").cast("string")), ENVELOPE)
    decoded = records.withColumn("is_rejected", is_rejected).withColumn("e", parsed)
    return _with_error(decoded.withColumn("received", _received())).select(*_bronze_columns(), *with_columns)


def _header_bytes(name: str) -> Column:
    """First value of a header: proxies and tracing agents may add another of the same name."""
    return sf.get(sf.filter("headers", lambda header: header["key"] == name), sf.lit(0))["value"]


def _header(name: str) -> Column:
    """Text of a reject's header; what is no UTF-8 in it is replaced, or no reader could open the file."""
    return sf.when(sf.col("is_rejected"), sf.make_valid_utf8(_header_bytes(name).cast("string")))


def _received() -> Column:
    """When the record was received: what the collector stamped, else what the broker did, else now."""
    stamped = sf.coalesce(_header("received_ts").try_cast("timestamp"), sf.col("e.received_ts"))
    return sf.coalesce(_in_range(stamped), received_by_kafka())


def received_by_kafka() -> Column:
    """Return the time of the Kafka record: the broker's clock, because the topics are made with LogAppendTime.

    Records from before that setting have the time their producer gave them, or now where no contract takes it.
    """
    return sf.coalesce(_in_range(sf.col("timestamp")), sf.current_timestamp())


def _in_range(moment: Column) -> Column:
    return sf.when((moment >= sf.lit(EARLIEST)) & (moment < sf.lit(AFTER_LATEST)), moment)


def _with_error(decoded: DataFrame) -> DataFrame:
    missing = sf.concat_ws(
        ", ",
        *(sf.when(sf.col(f"e.{name}").isNull(), sf.lit(name)) for name in REQUIRED),
        sf.when(sf.coalesce("e.player_id", "e.device_id").isNull(), sf.lit("player_id or device_id")),
        *(
            sf.when(sf.col(f"e.{name}").isNotNull() & _in_range(sf.col(f"e.{name}")).isNull(), sf.lit(name))
            for name in ("created_ts", "event_ts", "sent_ts")
        ),
        sf.when(~sf.col("e.source").isin(*SOURCES), sf.lit("source")),
    )
    undecodable = sf.when(sf.length("missing") > 0, sf.lit("undecodable"))
    return (
        decoded.withColumn("missing", missing)
        .withColumn(
            "error",
            sf.when(sf.col("is_rejected"), sf.coalesce(_header("error_type"), sf.lit("unknown"))).otherwise(
                undecodable
            ),
        )
        .withColumn(
            "message",
            sf.when(sf.col("is_rejected"), _header("error_message")).when(
                sf.col("error").isNotNull(), sf.concat(sf.lit("missing or unreadable: "), "missing")
            ),
        )
    )


def _bronze_columns() -> list[Column]:
    is_good = sf.col("error").isNull()
    event_date = sf.when(is_good, sf.to_date("e.event_ts"))
    source = sf.coalesce(_header("source"), sf.when(sf.col("e.source").isin(*SOURCES), sf.col("e.source")))
    arrival = (
        sf.when(source == "import", "imported")
        .when(event_date < sf.date_sub(sf.to_date("received"), 1), "late")
        .otherwise("on_time")
    )
    computed = {
        "game_id": sf.coalesce("e.game_id", _header("game_id")),
        "event_id": sf.coalesce("e.event_id", _header("event_id")),
        "event_name": sf.coalesce("e.event_name", _header("event_name")),
        "created_ts": _in_range(sf.col("e.created_ts")),
        "sent_ts": _in_range(sf.col("e.sent_ts")),
        "received_ts": sf.col("received"),
        "event_ts": sf.when(is_good, sf.col("e.event_ts")),
        "source": sf.coalesce(source, sf.lit("direct")),
        "clock_corrected": sf.when(is_good, sf.coalesce("e.clock_corrected", sf.lit(False))),
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

"""Bronze rows to `silver.rejected_events`: what counts nowhere, with the reason and what was sent."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.bronze_events import ENVELOPE
from telemetry_platform.contracts.tables.rejected_events import REJECTED_EVENTS
from telemetry_platform.settings import REJECTED_TOPIC
from telemetry_platform.transforms.silver.events import ID_COLLISION

_MICROSECONDS = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}


def refused_on_arrival(bronze: DataFrame) -> DataFrame:
    """Return the bronze rows with an error as rejects, of the stage `collector` or `stream`, as they were sent."""
    stage = sf.when(sf.col("kafka_topic") == REJECTED_TOPIC, "collector").otherwise("stream")
    return _rejects(bronze.where("error_type IS NOT NULL").withColumn("stage", stage))


def refused_by_silver(rows: DataFrame) -> DataFrame:
    """Return rows as rejects of the stage `silver`: good bronze rows, with `error_type` and `error_message` set.

    A record that bronze holds twice is one reject.
    """
    known = {"stage": sf.lit("silver"), "raw_value": _as_json().cast("binary")}
    return _rejects(rows.withColumns(known).dropDuplicates(list(REJECTED_EVENTS.keys)))


def collisions(deliveries: DataFrame) -> DataFrame:
    """Return the deliveries that say something else than an earlier one of the same id, with the reason."""
    message = sf.concat(sf.lit("another event was received with this id first: "), "first_copy")
    reason = {"error_type": sf.lit(ID_COLLISION), "error_message": message}
    return deliveries.where(sf.col("fate") == ID_COLLISION).withColumns(reason)


def _as_json() -> Column:
    """The event as JSON: keys in the contract's order, and the properties letter for letter as they were sent."""
    said = [name for name in ENVELOPE.fieldNames() if name != "properties"]
    envelope = sf.to_json(sf.struct(*said), _MICROSECONDS)
    properties = sf.coalesce("properties", sf.lit("{}"))
    return sf.concat(sf.rtrim(envelope, sf.lit("}")), sf.lit(',"properties":'), properties, sf.lit("}"))


def _rejects(rows: DataFrame) -> DataFrame:
    return rows.withColumn("replayed_ts", sf.lit(None).cast("timestamp")).select(*REJECTED_EVENTS.schema.fieldNames())

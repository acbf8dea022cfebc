"""Bronze rows to `silver.unsent_ids`: deliveries whose sending time is not known."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.unsent_ids import UNSENT_IDS
from telemetry_platform.transforms.silver.content import content_fingerprint


def to_unsent_ids(bronze: DataFrame) -> DataFrame:
    """Return the deliveries of `bronze` that can lie further than a day from a copy of theirs."""
    known = {"event_id": sf.lower("event_id"), "content_sha256": content_fingerprint()}
    return bronze.where(is_unsent()).withColumns(known).select(*UNSENT_IDS.schema.fieldNames())


def is_unsent() -> Column:
    """Whether a row's time may have fallen back to `received_ts`; what was imported keeps its own time."""
    return sf.col("sent_ts").isNull() & (sf.col("arrival") != "imported")

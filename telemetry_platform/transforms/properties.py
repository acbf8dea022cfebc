"""Properties of built-in events as columns."""

from collections.abc import Collection, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.columns import columns_of_events


def with_properties(events: DataFrame, event_names: Collection[str], properties: Sequence[str]) -> DataFrame:
    """Return the events of these names that are not excluded, with `p`: the struct of their `properties`.

    The types are those of the events' schemas. A value that does not fit its type is NULL in it, and costs no other.
    """
    columns = columns_of_events(event_names, properties)
    return events.where(sf.col("event_name").isin(*event_names) & ~sf.col("is_excluded")).withColumn(
        "p", sf.from_json("properties", columns)
    )

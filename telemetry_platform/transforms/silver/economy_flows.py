"""Events to `silver.economy_flows`: what players got and spent of a game's own currency."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.economy_flows import ECONOMY_FLOWS
from telemetry_platform.transforms.properties import with_properties

SOURCE, SINK = "economy_source", "economy_sink"


def to_economy_flows(events: DataFrame) -> DataFrame:
    """Return one row per source and sink of `events`, rows of silver.events of any days."""
    return (
        with_properties(events, (SOURCE, SINK), ("soft_currency", "amount", "reason", "balance"))
        .withColumn("flow", sf.when(sf.col("event_name") == SOURCE, "source").otherwise("sink"))
        .select("*", "p.*")
        .select(*ECONOMY_FLOWS.schema.fieldNames())
    )

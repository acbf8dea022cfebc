"""Events to `silver.experiment_exposures`: who met which variant of an experiment, and when."""

from pyspark.sql import DataFrame

from telemetry_platform.contracts.tables.experiment_exposures import EXPERIMENT_EXPOSURES
from telemetry_platform.transforms.properties import with_properties


def to_experiment_exposures(events: DataFrame) -> DataFrame:
    """Return one row per exposure of `events`, rows of silver.events of any days."""
    return (
        with_properties(events, ("experiment_exposure",), ("experiment", "variant"))
        .select("*", "p.*")
        .select(*EXPERIMENT_EXPOSURES.schema.fieldNames())
    )

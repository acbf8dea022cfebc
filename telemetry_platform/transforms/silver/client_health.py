"""Events to `silver.client_health`: errors, failures, frame rates and waits of clients."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf
from pyspark.sql.types import DoubleType

from telemetry_platform.contracts.tables.client_health import CLIENT_HEALTH
from telemetry_platform.transforms.properties import with_properties

PROPERTIES = {
    "client_error": ("kind", "is_fatal", "message"),
    "login_failed": ("reason",),
    "performance": ("fps_avg", "fps_p5", "memory_mb", "ping_ms", "load_seconds"),
    "matchmaking": ("queue", "seconds", "outcome"),
    "purchase_failed": ("product_id", "reason", "stage"),
}

_NAMES = sorted({name for names in PROPERTIES.values() for name in names})


def to_client_health(events: DataFrame) -> DataFrame:
    """Return one row per event of `PROPERTIES` among `events`, rows of silver.events of any days."""
    rows = with_properties(events, PROPERTIES.keys(), _NAMES)
    return rows.withColumns({name: _own(name) for name in _NAMES}).select(*CLIENT_HEALTH.schema.fieldNames())


def _own(name: str) -> Column:
    """The property, on the events that have it: any other may carry one of the same name that means something else.

    Spark reads 1e999 as infinity: a mean of such numbers would say nothing, so that they count as not given.
    """
    value = sf.col(f"p.{name}")
    if CLIENT_HEALTH.schema[name].dataType == DoubleType():
        value = sf.when(value < sf.lit(float("inf")), value)
    return sf.when(sf.col("event_name").isin(*(event for event, names in PROPERTIES.items() if name in names)), value)

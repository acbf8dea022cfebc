"""`silver.unsent_ids`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset("silver.unsent_ids", deps=[dg.AssetDep(["bronze", "events"])])
def silver_unsent_ids(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Deliveries whose sending time is not known."""
    return publish(context, lake.layers(window_of(context)), "silver.unsent_ids")

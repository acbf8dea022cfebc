"""`silver.client_health`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset("silver.client_health", deps=[dg.AssetDep(["silver", "events"])])
def silver_client_health(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Errors, failures, frame rates and waits of clients."""
    return publish(context, lake.layers(window_of(context)), "silver.client_health")

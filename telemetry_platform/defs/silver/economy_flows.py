"""`silver.economy_flows`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset("silver.economy_flows", deps=[dg.AssetDep(["silver", "events"])])
def silver_economy_flows(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """What players got and spent of a game's own currency."""
    return publish(context, lake.layers(window_of(context)), "silver.economy_flows")

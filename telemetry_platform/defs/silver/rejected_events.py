"""`silver.rejected_events`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset("silver.rejected_events", deps=[dg.AssetDep(["bronze", "events"]), dg.AssetDep(["silver", "unsent_ids"])])
def silver_rejected_events(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Records that count nowhere, with the reason."""
    return publish(context, lake.layers(window_of(context)), "silver.rejected_events")

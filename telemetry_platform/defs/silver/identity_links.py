"""`silver.identity_links`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset("silver.identity_links", deps=[dg.AssetDep(["bronze", "events"]), dg.AssetDep(["silver", "unsent_ids"])])
def silver_identity_links(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Which account an id belongs to."""
    return publish(context, lake.layers(window_of(context)), "silver.identity_links")

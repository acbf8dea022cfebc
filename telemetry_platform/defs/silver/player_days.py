"""`silver.player_days`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset(
    "silver.player_days",
    deps=[
        dg.AssetDep(["silver", "events"]),
        dg.AssetDep(["silver", "sessions"]),
        dg.AssetDep(["silver", "purchases"]),
        dg.AssetDep(["silver", "ad_impressions"]),
    ],
)
def silver_player_days(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """What each player did on each day."""
    return publish(context, lake.layers(window_of(context)), "silver.player_days")

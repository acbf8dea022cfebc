"""`gold.daily_kpis`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset(
    "gold.daily_kpis",
    deps=[
        dg.AssetDep(["gold", "player_snapshots"]),
        dg.AssetDep(["silver", "player_days"]),
        dg.AssetDep(["silver", "sessions"]),
        dg.AssetDep(["silver", "identity_links"]),
    ],
)
def daily_kpis(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """The daily sheet of every game."""
    return publish(context, lake.layers(window_of(context)), "gold.daily_kpis")

"""`silver.level_attempts`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset("silver.level_attempts", deps=[dg.AssetDep(["silver", "events"]), dg.AssetDep(["silver", "sessions"])])
def silver_level_attempts(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Tries at levels that start in the window, whole across midnight."""
    return publish(context, lake.layers(window_of(context)), "silver.level_attempts")

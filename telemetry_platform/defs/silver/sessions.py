"""`silver.sessions`."""

import dagster as dg

from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset("silver.sessions", deps=[dg.AssetDep(["silver", "events"])])
def silver_sessions(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Sessions that start in the window, whole across midnight."""
    return publish(context, lake.layers(), "silver.sessions")

"""`silver.transactions`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset("silver.transactions", deps=[dg.AssetDep(["silver", "events"])])
def silver_transactions(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Purchases and refunds by transaction."""
    return publish(context, lake.layers(window_of(context)), "silver.transactions")

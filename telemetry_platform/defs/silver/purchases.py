"""`silver.purchases`."""

import dagster as dg

from telemetry_platform.contracts.amounts import PAYMENT_STATUSES
from telemetry_platform.defs.money import money_asset, publish_money
from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource


@money_asset("silver.purchases", deps=[dg.AssetDep(["silver", "events"]), dg.AssetDep(["silver", "transactions"])])
def silver_purchases(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Purchases and refunds, each classified once."""
    return publish_money(context, lake.layers(window_of(context)), "silver.purchases", PAYMENT_STATUSES)

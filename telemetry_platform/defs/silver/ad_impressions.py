"""`silver.ad_impressions`."""

import dagster as dg

from telemetry_platform.contracts.amounts import AMOUNT_STATUSES
from telemetry_platform.defs.money import money_asset, publish_money
from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource


@money_asset("silver.ad_impressions", deps=[dg.AssetDep(["silver", "events"])])
def silver_ad_impressions(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Ad impressions, each classified once."""
    return publish_money(context, lake.layers(window_of(context)), "silver.ad_impressions", AMOUNT_STATUSES)

"""`silver.experiment_exposures`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset


@table_asset("silver.experiment_exposures", deps=[dg.AssetDep(["silver", "events"])])
def silver_experiment_exposures(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Who met which variant of an experiment, and when."""
    return publish(context, lake.layers(window_of(context)), "silver.experiment_exposures")

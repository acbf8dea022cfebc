"""`silver.sessions`."""

import dagster as dg

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import check_result, key_of, publish, table_asset
from telemetry_platform.partitions.looking_up import activity_outside_sessions
from telemetry_platform.quality.warnings import outside_sessions

TABLE = TABLES["silver.sessions"]
OUTSIDE_CHECK = "activity_is_in_sessions"


@table_asset(
    TABLE.name,
    deps=[dg.AssetDep(["silver", "events"])],
    more_checks=[
        dg.AssetCheckSpec(
            OUTSIDE_CHECK,
            asset=key_of(TABLE),
            description="Nobody plays on after the seventh day of a session that never paused: a bot, most likely.",
        )
    ],
)
def silver_sessions(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Sessions that start in the window, whole across midnight."""
    window = window_of(context)
    layers = lake.layers(window)

    def results(_: object) -> list[dg.AssetCheckResult]:
        outside = activity_outside_sessions(layers.lake.root, window, layers.start_date)
        return [check_result(TABLE, OUTSIDE_CHECK, outside_sessions(outside), severity=dg.AssetCheckSeverity.WARN)]

    return publish(context, layers, TABLE.name, results=results)

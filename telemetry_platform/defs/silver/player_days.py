"""`silver.player_days`."""

import dagster as dg

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import check_result, key_of, publish, table_asset
from telemetry_platform.partitions.recipes import money_left_out
from telemetry_platform.quality.audit import faults_by_game

TABLE = TABLES["silver.player_days"]
MONEY_CHECK = "money_is_counted"


@table_asset(
    TABLE.name,
    deps=[
        dg.AssetDep(["silver", "events"]),
        dg.AssetDep(["silver", "transactions"]),
        dg.AssetDep(["silver", "sessions"]),
    ],
    more_checks=[
        dg.AssetCheckSpec(
            MONEY_CHECK,
            asset=key_of(TABLE),
            description="No purchase, refund or impression was left out for its amount or for want of a rate.",
        )
    ],
)
def silver_player_days(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """What each player did on each day."""
    layers = lake.layers()
    left_out = faults_by_game(money_left_out(layers, window_of(context)), rule="fault", keys=("event_id",))
    counted = check_result(TABLE, MONEY_CHECK, left_out, severity=dg.AssetCheckSeverity.WARN)
    return publish(context, layers, TABLE.name, results=lambda _: [counted])

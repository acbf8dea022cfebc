"""`silver.player_days`."""

import dagster as dg

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import check_result, key_of, publish, table_asset
from telemetry_platform.quality.audit import faults_by_game
from telemetry_platform.transforms.money import money_set_aside
from telemetry_platform.transforms.silver.player_days import to_player_days

TABLE = TABLES["silver.player_days"]
MONEY_CHECK = "money_is_counted"


@table_asset(
    TABLE.name,
    deps=[
        dg.AssetDep(["silver", "events"]),
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
    window = window_of(context)
    opened = lake.open()
    # A transaction that is delivered again after midnight counts once: on the day it came first.
    events = opened.read("silver.events", window.widened(before=1))
    rates = opened.read("reference.exchange_rates")
    player_days = to_player_days(
        events, opened.read("silver.sessions", window), rates, start=window.start, end=window.end
    )
    left_out = faults_by_game(
        money_set_aside(events, rates).where(window.predicate("event_date")), rule="fault", keys=("event_id",)
    )
    counted = check_result(TABLE, MONEY_CHECK, left_out, severity=dg.AssetCheckSeverity.WARN)
    return publish(context, opened, player_days, window, table=TABLE.name, more_results=[counted])

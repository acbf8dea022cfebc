"""`silver.player_days`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import report, table_asset
from telemetry_platform.transforms.silver.player_days import to_player_days


@table_asset(
    "silver.player_days",
    deps=[
        dg.AssetDep(["silver", "events"]),
        dg.AssetDep(["silver", "sessions"]),
    ],
)
def silver_player_days(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """What each player did on each day."""
    window = window_of(context)
    opened = lake.open()
    # A transaction that is delivered again after midnight counts once: on the day it came first.
    player_days = to_player_days(
        opened.read("silver.events", window.widened(before=1)),
        opened.read("silver.sessions", window),
        opened.read("reference.exchange_rates"),
        start=window.start,
        end=window.end,
    )
    written = opened.replace("silver.player_days", player_days, window)
    return report(context, opened, written, window, table="silver.player_days")

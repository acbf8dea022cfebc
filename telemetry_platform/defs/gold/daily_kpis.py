"""`gold.daily_kpis`."""

from datetime import UTC, datetime

import dagster as dg

from telemetry_platform.defs.partitions import closed_through, window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset
from telemetry_platform.transforms.gold.daily_kpis import to_daily_kpis

TRAILING_DAYS = 29


@table_asset(
    "gold.daily_kpis",
    deps=[
        dg.AssetDep(["gold", "player_snapshots"]),
        dg.AssetDep(["silver", "player_days"]),
        dg.AssetDep(["silver", "sessions"]),
    ],
)
def daily_kpis(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """The daily sheet of every game."""
    window = window_of(context)
    opened = lake.open()
    kpis = to_daily_kpis(
        opened.read("gold.player_snapshots", window),
        opened.read("silver.player_days", window.widened(before=TRAILING_DAYS)),
        opened.read("silver.sessions", window),
        start=window.start,
        end=window.end,
        closed_through=closed_through(datetime.now(UTC)),
    )
    return publish(context, opened, kpis, window, table="gold.daily_kpis")

"""`gold.player_snapshots`."""

import dagster as dg

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.defs.partitions import daily, window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import publish, table_asset
from telemetry_platform.lake.tables import newest_day_before
from telemetry_platform.lake.window import Window
from telemetry_platform.transforms.gold.player_snapshots import to_player_snapshots


@table_asset("gold.player_snapshots", deps=[dg.AssetDep(["silver", "player_days"])])
def player_snapshots(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Every player's state at the end of each day, carried forward from the newest snapshot before."""
    window = window_of(context)
    opened = lake.open()
    table = TABLES["gold.player_snapshots"]
    base = newest_day_before(opened.root, table, window)
    # No dependency on itself in Dagster: it would split a backfill into one run a day (design.md, decision 6).
    previous = opened.read(table.name, base) if base else opened.read(table.name).limit(0)
    since = Window(base.end, window.end) if base else Window(daily.start.date(), window.end)
    snapshots = to_player_snapshots(
        previous, opened.read("silver.player_days", since), start=window.start, end=window.end
    )
    return publish(context, opened, snapshots, window, table=table.name)

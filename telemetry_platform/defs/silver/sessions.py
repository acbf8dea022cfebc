"""`silver.sessions`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import GamesResource, LakeResource
from telemetry_platform.defs.tables import publish, table_asset
from telemetry_platform.transforms.silver.sessions import to_sessions


@table_asset("silver.sessions", deps=[dg.AssetDep(["silver", "events"])])
def silver_sessions(
    context: dg.AssetExecutionContext, lake: LakeResource, games: GamesResource
) -> dg.MaterializeResult:
    """Sessions that start in the window, whole across midnight."""
    window = window_of(context)
    opened = lake.open()
    events = opened.read("silver.events", window.widened(before=1, after=7))
    sessions = to_sessions(events, start=window.start, end=window.end, games=games.load())
    return publish(context, opened, sessions, window, table="silver.sessions")

"""`silver.events`."""

import dagster as dg

from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import GamesResource, LakeResource
from telemetry_platform.defs.tables import publish, table_asset
from telemetry_platform.transforms.silver.events import to_events


@table_asset("silver.events", deps=[dg.AssetDep(["bronze", "events"])])
def silver_events(context: dg.AssetExecutionContext, lake: LakeResource, games: GamesResource) -> dg.MaterializeResult:
    """Accepted events, once each."""
    window = window_of(context)
    opened = lake.open()
    # A retry may move a copy across midnight: duplicates are looked for in the neighbouring days too.
    bronze = opened.read_bronze(window.widened(before=1, after=1))
    events = to_events(bronze, start=window.start, end=window.end, games=games.load())
    return publish(context, opened, events, window, table="silver.events")

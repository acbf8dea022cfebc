"""`silver.events`."""

import dagster as dg

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import GamesResource, LakeResource, unreadable_games
from telemetry_platform.defs.tables import check_result, key_of, publish, table_asset
from telemetry_platform.quality.audit import GameFault
from telemetry_platform.transforms.silver.events import to_events

TABLE = TABLES["silver.events"]
GAMES_CHECK = "games_can_be_read"


@table_asset(
    TABLE.name,
    deps=[dg.AssetDep(["bronze", "events"])],
    more_checks=[
        dg.AssetCheckSpec(
            GAMES_CHECK,
            asset=key_of(TABLE),
            description="Every game's registry entry can be read. A game whose entry cannot keeps the rows it has.",
        )
    ],
)
def silver_events(context: dg.AssetExecutionContext, lake: LakeResource, games: GamesResource) -> dg.MaterializeResult:
    """Accepted events, once each."""
    window = window_of(context)
    opened = lake.open()
    # A retry may move a copy across midnight: duplicates are looked for in the neighbouring days too.
    bronze = opened.read_bronze(window.widened(before=1, after=1))
    events = to_events(bronze, start=window.start, end=window.end, games=games.load())
    faults = [GameFault(fault.game_id, "entry_unreadable", 1, (fault.reason,)) for fault in unreadable_games()]
    return publish(
        context, opened, events, window, table=TABLE.name, more_results=[check_result(TABLE, GAMES_CHECK, faults)]
    )

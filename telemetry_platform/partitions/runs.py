"""The layers of one run of the installed product."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from telemetry_platform.games.registry import load_games
from telemetry_platform.lake.bronze_days import bronze_days
from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.layers import Layers
from telemetry_platform.partitions.publishing import materialize
from telemetry_platform.partitions.recipes import RECIPES
from telemetry_platform.settings import Settings

CLOSING_DELAY = timedelta(hours=2)


def open_layers(settings: Settings, open_lake: Callable[[int], Lake], window: Window, now: datetime) -> Layers:
    """What a run of `window` that starts `now` sees: the registry and bronze as they are, and which days are closed.

    The lake is opened for the number of bronze rows that the days have: how a session is started depends on it.
    Raises LakeError when there is no bronze table, GameRegistryError when the games cannot be listed.
    """
    bronze = bronze_days(settings.lake)
    return Layers(
        open_lake(sum(bronze.rows.get(day, 0) for day in window)),
        load_games(settings.games_dir),
        bronze,
        closed_through(now),
        settings.start_date,
        RECIPES,
        materialize,
    )


def closed_through(now: datetime) -> date:
    """Newest closed day at `now`: a day closes two hours after its end (metrics.md, Closed day)."""
    return (now.astimezone(UTC) - CLOSING_DELAY).date() - timedelta(days=1)

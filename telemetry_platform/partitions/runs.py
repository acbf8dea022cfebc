"""The layers of one run of the installed product."""

from datetime import UTC, date, datetime, timedelta

from telemetry_platform.games.registry import load_games
from telemetry_platform.lake.bronze_days import bronze_days
from telemetry_platform.lake.tables import Lake
from telemetry_platform.partitions.layers import Layers
from telemetry_platform.partitions.publishing import materialize
from telemetry_platform.partitions.recipes import RECIPES
from telemetry_platform.settings import Settings

CLOSING_DELAY = timedelta(hours=2)


def open_layers(settings: Settings, lake: Lake, now: datetime) -> Layers:
    """What a run that starts `now` sees: the registry and bronze as they are, and which days are closed.

    Raises LakeError when there is no bronze table, GameRegistryError when the games cannot be listed.
    """
    return Layers(
        lake,
        load_games(settings.games_dir),
        bronze_days(settings.lake),
        closed_through(now),
        settings.start_date,
        RECIPES,
        materialize,
    )


def closed_through(now: datetime) -> date:
    """Newest closed day at `now`: a day closes two hours after its end (metrics.md, Closed day)."""
    return (now.astimezone(UTC) - CLOSING_DELAY).date() - timedelta(days=1)

"""What a snapshot is carried forward from, and whether it still holds.

A snapshot of day D says everything that `silver.player_days` and `silver.identity_links` held up to D. Its fingerprint
is that of both together: wherever the state was carried from, a snapshot whose recorded one differs is stale.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.lake.manifest import Materialized
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.fingerprints import (
    Fingerprints,
    History,
    fingerprints_in,
    history_of,
    holds,
    together,
)
from telemetry_platform.partitions.layers import Layers, contiguous
from telemetry_platform.partitions.linked import LINKS, complete_links, links_through
from telemetry_platform.transforms.gold.player_snapshots import to_fingerprints

PLAYER_DAYS = "silver.player_days"
SNAPSHOTS = "gold.player_snapshots"

# So many days that were never materialized are made on the way; more of them are asked for.
MADE_DAYS = 31


def history(layers: Layers, through: date) -> History:
    """Return the history of player days and identity links up to `through`.

    Days that were never materialized are, unless too many.
    """
    window = Window.of_days(layers.first_day(through), through)
    complete_links(layers, through)
    missing = layers.incomplete(PLAYER_DAYS, window)
    if len(missing) > MADE_DAYS:
        rows = [layers.bronze_rows(part).select("game_id") for part in contiguous(missing)]
        known = _known(layers.entries(PLAYER_DAYS), layers.entries(LINKS))
        held = frozenset(row.game_id for row in reduce(DataFrame.unionByName, rows).distinct().collect())
        return history_of(known, through, missing=tuple(missing), held=held)
    layers.complete(PLAYER_DAYS, window)
    return history_of(_known(layers.entries(PLAYER_DAYS), layers.entries(LINKS)), through)


def recorded_history(player_days: Mapping[date, Materialized], links: Mapping[date, Materialized]) -> History:
    """Return the history that the manifest's entries tell, without a look at bronze."""
    return history_of(_known(player_days, links), date.max)


def _known(player_days: Mapping[date, Materialized], links: Mapping[date, Materialized]) -> dict[date, Fingerprints]:
    return together(fingerprints_in(player_days), fingerprints_in(links))


def fingerprints_of(player_days: DataFrame, days: Iterable[date]) -> dict[date, dict[str, int]]:
    """Fingerprint of each game's player days on each of `days`; one job."""
    found: dict[date, dict[str, int]] = {day: {} for day in days}
    for row in to_fingerprints(player_days).collect():
        found[row.event_date][row.game_id] = row.fingerprint
    return found


@dataclass(frozen=True)
class Base:
    """Snapshots to start from, of one day for each game, and the player days and identity links after them."""

    snapshots: DataFrame
    player_days: DataFrame
    links: DataFrame | None


def base_of(layers: Layers, past: History, window: Window) -> Base:
    """Return what the snapshots of `window` are carried forward from: per game, the newest one that still holds."""
    groups = _games_by_base(layers, past, window.start)
    start = layers.first_day(window.start)
    named = sorted(game for games in groups.values() if games is not None for game in games) + sorted(past.held)
    snapshots, player_days, links = [layers.lake.read(SNAPSHOTS, [])], [], []
    for base, games in groups.items():
        is_one = ~sf.col("game_id").isin(named) if games is None else sf.col("game_id").isin(sorted(games))
        since = base + timedelta(days=1) if base is not None else start
        if base is not None:
            snapshots.append(layers.lake.read(SNAPSHOTS, [Window.of_days(base, base)]).where(is_one))
        player_days.append(layers.rows(PLAYER_DAYS, Window(since, window.end)).where(is_one))
        found = links_through(layers, window.end - timedelta(days=1), since=since)
        links += [found.where(is_one)] if found is not None else []
    return Base(
        snapshots=reduce(DataFrame.unionByName, snapshots),
        player_days=reduce(DataFrame.unionByName, player_days),
        links=reduce(DataFrame.unionByName, links) if links else None,
    )


def _games_by_base(layers: Layers, past: History, before: date) -> dict[date | None, set[str] | None]:
    """Group games by the day they are carried from (None: from the beginning); the group with None is all others."""
    open_games = set(past.days) - past.held
    candidates = sorted((day for day in layers.entries(SNAPSHOTS) if day < before), reverse=True)
    bases: dict[date | None, set[str]] = {}
    for day in candidates:
        found = {game for game in open_games if holds(layers.entries(SNAPSHOTS), past, day, [game])}
        if found:
            bases[day] = found
            open_games -= found
        if not open_games:
            break
    if open_games:
        bases[None] = open_games
    largest = max(bases, key=lambda day: len(bases[day]), default=candidates[0] if candidates else None)
    groups: dict[date | None, set[str] | None] = {day: games for day, games in bases.items() if day != largest}
    return groups | {largest: None}

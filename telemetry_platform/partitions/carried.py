"""What a snapshot is carried forward from, and whether it still holds.

A snapshot of day D says everything that `silver.player_days` held up to D. Its fingerprint, per game, is that of all
these days together: whatever is materialized later or anew, and wherever the state was carried from, equal histories
have equal fingerprints, and a snapshot whose recorded one differs is stale.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from itertools import accumulate
from operator import xor

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.lake.manifest import Materialized
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.layers import Layers, contiguous
from telemetry_platform.transforms.gold.player_snapshots import to_fingerprints

PLAYER_DAYS = "silver.player_days"
SNAPSHOTS = "gold.player_snapshots"

# So many days that were never materialized are made on the way; more of them are asked for.
MADE_DAYS = 31

Fingerprints = Mapping[str, int]


@dataclass(frozen=True)
class History:
    """Fingerprints of each game's player days up to a day, oldest first, and what is not known of it.

    `missing` are days whose bronze rows are in no player days and too many to be made on the way; `held` the games
    that have rows on them.
    """

    days: Mapping[str, tuple[date, ...]]
    so_far: Mapping[str, tuple[int, ...]]
    missing: tuple[date, ...] = ()
    held: frozenset[str] = frozenset()

    def at(self, day: date) -> dict[str, int]:
        """Fingerprint of each game's history up to `day`, included; a game without one has none."""
        found = {game: bisect_right(days, day) for game, days in self.days.items() if game not in self.held}
        return {game: self.so_far[game][count - 1] for game, count in found.items() if count}


def history(layers: Layers, through: date) -> History:
    """Return the history of player days up to `through`; days that were never materialized are, unless too many."""
    window = Window.of_days(layers.first_day(through), through)
    missing = layers.incomplete(PLAYER_DAYS, window)
    if len(missing) > MADE_DAYS:
        rows = [layers.bronze_rows(part).select("game_id") for part in contiguous(missing)]
        held = frozenset(row.game_id for row in reduce(DataFrame.unionByName, rows).distinct().collect())
        return _history(_fingerprints(layers.entries(PLAYER_DAYS)), through, missing=tuple(missing), held=held)
    layers.complete(PLAYER_DAYS, window)
    return _history(_fingerprints(layers.entries(PLAYER_DAYS)), through)


def _fingerprints(player_days: Mapping[date, Materialized]) -> dict[date, Fingerprints]:
    return {day: entry.fingerprints for day, entry in player_days.items() if entry.state == "done"}


def fingerprints_of(player_days: DataFrame, days: Iterable[date]) -> dict[date, dict[str, int]]:
    """Fingerprint of each game's player days on each of `days`; one job."""
    found: dict[date, dict[str, int]] = {day: {} for day in days}
    for row in to_fingerprints(player_days).collect():
        found[row.event_date][row.game_id] = row.fingerprint
    return found


def _history(
    known: Mapping[date, Fingerprints],
    through: date,
    *,
    missing: tuple[date, ...] = (),
    held: frozenset[str] = frozenset(),
) -> History:
    by_game: dict[str, list[tuple[date, int]]] = {}
    for day in sorted(known):
        if day <= through:
            for game, fingerprint in known[day].items():
                by_game.setdefault(game, []).append((day, fingerprint))
    return History(
        days={game: tuple(day for day, _ in found) for game, found in by_game.items()},
        so_far={game: tuple(accumulate((one for _, one in found), xor)) for game, found in by_game.items()},
        missing=missing,
        held=held,
    )


def recorded_history(player_days: Mapping[date, Materialized]) -> History:
    """Return the history that the manifest's entries of player days tell, without a look at bronze."""
    return _history(_fingerprints(player_days), date.max)


def stale_days(entries: Mapping[date, Materialized], past: History) -> list[date]:
    """Stored days that were made from a history which is not the present one; oldest first."""
    return [day for day in sorted(entries) if not holds(entries, past, day)]


def holds(entries: Mapping[date, Materialized], past: History, day: date, games: Collection[str] | None = None) -> bool:
    """Whether the stored `day` was made from the present history, of `games` or of all."""
    entry = entries.get(day)
    if entry is None or entry.state != "done":
        return False
    recorded, now = entry.fingerprints, past.at(day)
    asked = (recorded.keys() | now.keys()) - past.held if games is None else games
    return all(recorded.get(game, 0) == now.get(game, 0) for game in asked)


@dataclass(frozen=True)
class Base:
    """Snapshots to start from, of one day for each game, and the player days after them."""

    snapshots: DataFrame
    player_days: DataFrame


def base_of(layers: Layers, past: History, window: Window) -> Base:
    """Return what the snapshots of `window` are carried forward from: per game, the newest one that still holds."""
    groups = _games_by_base(layers, past, window.start)
    start = layers.first_day(window.start)
    named = sorted(game for games in groups.values() if games is not None for game in games) + sorted(past.held)
    snapshots, player_days = [layers.lake.read(SNAPSHOTS, [])], []
    for base, games in groups.items():
        is_one = ~sf.col("game_id").isin(named) if games is None else sf.col("game_id").isin(sorted(games))
        since = base + timedelta(days=1) if base is not None else start
        if base is not None:
            snapshots.append(layers.lake.read(SNAPSHOTS, [Window.of_days(base, base)]).where(is_one))
        player_days.append(layers.rows(PLAYER_DAYS, Window(since, window.end)).where(is_one))
    return Base(reduce(DataFrame.unionByName, snapshots), reduce(DataFrame.unionByName, player_days))


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

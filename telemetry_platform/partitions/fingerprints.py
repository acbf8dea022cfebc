"""What a day was made from, where that is all days before it: fingerprints per game that add up.

The fingerprint of a history is that of all its days together: whatever is materialized later or anew, equal histories
have equal fingerprints, and what was made from one whose fingerprint differs is stale.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from operator import xor

from telemetry_platform.lake.manifest import Materialized

# No game has this id.
BEFORE = ""

Fingerprints = Mapping[str, int]


@dataclass(frozen=True)
class History:
    """Fingerprints of each game's days up to a day, oldest first, and what is not known of it.

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


def history_of(
    known: Mapping[date, Fingerprints],
    through: date,
    *,
    missing: tuple[date, ...] = (),
    held: frozenset[str] = frozenset(),
) -> History:
    """Return the history that fingerprints of days tell, up to the day `through`."""
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


def fingerprints_in(entries: Mapping[date, Materialized]) -> dict[date, Fingerprints]:
    """Fingerprints of the days that are done, as the manifest has them; without those of the days before."""
    return {
        day: {game: fingerprint for game, fingerprint in entry.fingerprints.items() if game != BEFORE}
        for day, entry in entries.items()
        if entry.state == "done"
    }


def together(first: Mapping[date, Fingerprints], second: Mapping[date, Fingerprints]) -> dict[date, Fingerprints]:
    """Fingerprints of what two tables hold of each day."""
    return {
        day: {
            game: first.get(day, {}).get(game, 0) ^ second.get(day, {}).get(game, 0)
            for game in {**first.get(day, {}), **second.get(day, {})}
        }
        for day in {**first, **second}
    }


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

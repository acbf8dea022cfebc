"""Findings that are worth a look without being faults: what the warning checks say, from counts alone.

Each rule leaves out what is no news: days that are not closed yet, games that have just begun, a handful of rows.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, timedelta

from telemetry_platform.lake.window import Window
from telemetry_platform.quality.audit import GameFault

COMPARED_DAYS = 7
LEAST_ROWS = 100
"""Of a day, in the mean: below, a day twice as large or half as large is chance."""

FEWEST, MOST = 0.5, 2.0
MOST_LATE = 0.1
MOST_UNSENT = 0.1
_EXAMPLES = 5

Names = Collection[tuple[str, str]]


def unusual_rows(
    rows: Mapping[tuple[date, str], int], window: Window, *, closed_through: date
) -> tuple[GameFault, ...]:
    """Name days with less than half or more than twice the mean of the 7 days before, per game.

    `rows` are the rows by day and game of the window and of the 7 days before it. The mean is over the days since the
    game's first rows among them; without any there is nothing to compare with.
    """
    found: dict[str, list[str]] = defaultdict(list)
    totals: dict[str, int] = defaultdict(int)
    for game in sorted({game for _, game in rows}):
        for day in window:
            mean = _mean_before(rows, day, game)
            number = rows.get((day, game), 0)
            if day <= closed_through and mean >= LEAST_ROWS and not FEWEST * mean <= number <= MOST * mean:
                found[game].append(f"{day}: {number} rows, {mean:.0f} a day in the {COMPARED_DAYS} days before")
                totals[game] += number
    return tuple(GameFault(game, "unusual_rows", totals[game], _few(days)) for game, days in found.items())


def large_share(rule: str, part: int, rows: int, most: float) -> tuple[GameFault, ...]:
    """Name a `part` that is more than the share `most` of the `rows`."""
    if rows < LEAST_ROWS or part <= most * rows:
        return ()
    return (GameFault(None, rule, part, (f"{part / rows:.1%} of {rows} rows",)),)


def new_names(now: Names, before: Names) -> tuple[GameFault, ...]:
    """Name the event names of each game that it has `now` and had not `before`; all are new of a game that begins."""
    known_games = {game for game, _ in before}
    unseen: dict[str, list[str]] = defaultdict(list)
    for game, name in sorted(set(now) - set(before)):
        if game in known_games:
            unseen[game].append(name)
    return tuple(GameFault(game, "new_event_name", len(names), _few(names)) for game, names in unseen.items())


def outside_sessions(events: Mapping[str, int]) -> tuple[GameFault, ...]:
    """Name the games with activity that no session holds, by its number of events."""
    outside = {game: rows for game, rows in sorted(events.items()) if rows}
    return tuple(GameFault(game, "activity_outside_sessions", rows, ()) for game, rows in outside.items())


def _mean_before(rows: Mapping[tuple[date, str], int], day: date, game: str) -> float:
    """Mean rows of the days before, from the first that has any; 0 without one."""
    counts = [rows.get((day - timedelta(days=n), game), 0) for n in range(COMPARED_DAYS, 0, -1)]
    while counts and not counts[0]:
        counts.pop(0)
    return sum(counts) / len(counts) if counts else 0.0


def _few(texts: list[str]) -> tuple[str, ...]:
    return tuple(texts[:_EXAMPLES])

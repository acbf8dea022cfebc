"""Identity links as runs see them: all of them up to a day, and what was made from others.

A day of `silver.identity_links` has the ids that no earlier day has, so it follows from all days before it. The
manifest keeps, per day, fingerprints of its rows per game, and under `BEFORE` that of all rows of earlier days: where
it is no longer theirs, the day is made anew before anybody reads it. An `identify` that links nothing new, and most
of them are repeated at every login, changes no fingerprint and so no later day.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import reduce
from operator import xor

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.lake.manifest import Materialized
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.fingerprints import BEFORE, History, fingerprints_in, history_of
from telemetry_platform.partitions.layers import Layers, contiguous

LINKS = "silver.identity_links"


def links_through(layers: Layers, last: date, *, since: date = date.min) -> DataFrame | None:
    """Return the links of all days from `since` to `last`; None when there is none."""
    complete_links(layers, last)
    days = [day for day, entry in layers.entries(LINKS).items() if since <= day <= last and entry.rows]
    return layers.lake.read(LINKS, [Window.of_days(min(days), max(days))]) if days else None


def complete_links(layers: Layers, last: date) -> None:
    """Materialize what is missing of the links up to `last`, and what earlier days have changed.

    However many days that are: unlike player days they need nothing but one scan of bronze for one kind of event.
    """
    window = Window.of_days(layers.first_day(last), last)
    while behind := {*layers.incomplete(LINKS, window), *_outdated(layers, window)}:
        part = contiguous(behind)[0]
        layers.materialize(layers, LINKS, part)
        layers.made.append((LINKS, part))


def _outdated(layers: Layers, window: Window) -> list[date]:
    return [day for day in stale_links(layers.entries(LINKS)) if window.start <= day < window.end]


def recorded_links(links: Mapping[date, Materialized]) -> History:
    """Return the history that the manifest's entries of links tell."""
    return history_of(fingerprints_in(links), date.max)


def stale_links(links: Mapping[date, Materialized]) -> list[date]:
    """Stored days of links whose earlier days are not what they were when it was made; oldest first."""
    past = recorded_links(links)
    return [
        day
        for day, entry in sorted(links.items())
        if entry.state == "done" and entry.fingerprints.get(BEFORE, 0) != _before(past, day)
    ]


def _before(past: History, day: date) -> int:
    return reduce(xor, past.at(day - timedelta(days=1)).values(), 0)


def link_fingerprints(layers: Layers, window: Window) -> dict[date, dict[str, int]]:
    """Fingerprints of the days just written, and of all before each of them; one job."""
    found: dict[date, dict[str, int]] = {day: {} for day in window}
    for row in _by_game(layers.lake.read(LINKS, [window])).collect():
        found[row.valid_from_date][row.game_id] = row.fingerprint
    before = _before(recorded_links(layers.entries(LINKS)), window.start)
    for day in window:
        own = reduce(xor, found[day].values(), 0)
        found[day][BEFORE] = before
        before ^= own
    return found


def _by_game(links: DataFrame) -> DataFrame:
    columns = ("valid_from_date", "game_id", "device_or_guest_id", "account_id")
    return links.groupBy("valid_from_date", "game_id").agg(sf.bit_xor(sf.xxhash64(*columns)).alias("fingerprint"))

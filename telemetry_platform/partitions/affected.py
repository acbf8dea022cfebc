"""From event days that gained rows to the partitions that have to be restated: one function per table.

Backfills, the closing run and whoever finds late data ask here, so that all of them mean the same. What lies further
away than a day is looked up in what is stored, without a JVM: only what was materialized can need restating.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from telemetry_platform.games.game import Game
from telemetry_platform.lake.bronze_days import BronzeDays
from telemetry_platform.lake.exchange_rates import ExchangeRates, read_rates
from telemetry_platform.lake.manifest import Materialized, materialized_days
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.carried import PLAYER_DAYS, SNAPSHOTS, recorded_history
from telemetry_platform.partitions.fingerprints import stale_days
from telemetry_platform.partitions.linked import LINKS, recorded_links, stale_links
from telemetry_platform.partitions.looking_up import (
    days_of,
    days_sharing_ids,
    days_sharing_transactions,
    days_with_new_links,
)
from telemetry_platform.transforms.registry import DEFAULT_GAP_MINUTES
from telemetry_platform.transforms.silver.sessions import LONGEST_SESSION_DAYS

Days = frozenset[date]

EACH_SESSION_DAY = "unnest(generate_series(session_date, ended_ts::DATE, INTERVAL 1 DAY))::DATE"
"""In DuckDB's SQL."""

MONEY_TABLES = ("silver.purchases", "silver.ad_impressions")
RATES_FINGERPRINT = "exchange_rates"


@dataclass(frozen=True)
class Touched:
    """Event days whose rows in bronze are new, in the lake at `root`; what is looked up is, once for all tables."""

    root: str
    days: Days
    games: Mapping[str, Game]

    @cached_property
    def sharing_ids(self) -> set[date]:
        """Stored days with other copies of deliveries that have no `sent_ts`."""
        return days_sharing_ids(self.root, self.days)

    @cached_property
    def sharing_transactions(self) -> set[date]:
        """Stored days with events of transactions that the new rows change."""
        return days_sharing_transactions(self.root, self.days)

    @cached_property
    def relinked(self) -> set[date]:
        """Stored days of links from the first touched day on that names an account for an id which had none."""
        first = min(days_with_new_links(self.root, self.days), default=date.max)
        return {day for day in materialized_days(self.root, LINKS) if day >= first}

    @cached_property
    def reaching(self) -> set[date]:
        """Days on which stored sessions start that reach a touched day from before."""
        return self._days_of_sessions(after=0, days="session_date")

    @cached_property
    def covered(self) -> set[date]:
        """All days of stored sessions that reach a touched day, or start on it or the day after."""
        return self._days_of_sessions(after=2, days=EACH_SESSION_DAY)

    def _days_of_sessions(self, *, after: int, days: str) -> set[date]:
        """`days` of stored sessions that reach a touched day; they start before it, or so many days `after`."""
        gaps = [game.session_gap_minutes for game in self.games.values()]
        gap = timedelta(minutes=max([*gaps, DEFAULT_GAP_MINUTES]))
        found: set[date] = set()
        for day in self.days:
            near = Window(day - timedelta(days=LONGEST_SESSION_DAYS), day + timedelta(days=after))
            reach_it = "ended_ts + ? >= ?::TIMESTAMPTZ"
            found |= days_of(self.root, "silver.sessions", near, reach_it, [gap, day], days=days)
        return found


def touched_days(root: str, bronze: BronzeDays, start_date: date) -> Days:
    """Event days whose bronze rows are not all in `silver.events`: never run, failed, or grown since."""
    entries = materialized_days(root, "silver.events")
    read = {day: entry.bronze_rows for day, entry in entries.items() if entry.state == "done"}
    return frozenset(day for day, rows in bronze.rows.items() if rows and day >= start_date and read.get(day) != rows)


def unsent_ids(touched: Touched) -> Days:
    """The touched days."""
    return touched.days


def identity_links(touched: Touched) -> Days:
    """The days whose deliveries may change, and all later ones once an id is linked that was not."""
    return _deliveries(touched) | touched.relinked


def events(touched: Touched) -> Days:
    """The days whose deliveries or identity links may change."""
    return identity_links(touched)


def rejected_events(touched: Touched) -> Days:
    """The days whose events may change: a row that is no longer one is a reject, or a copy."""
    return events(touched)


def transactions(touched: Touched) -> Days:
    """The days whose deliveries may change."""
    return _deliveries(touched)


def purchases(touched: Touched) -> Days:
    """The days whose events may change, and those of events that share a transaction with new ones."""
    return events(touched) | touched.sharing_transactions


def ad_impressions(touched: Touched) -> Days:
    """The days whose events may change."""
    return events(touched)


def sessions(touched: Touched) -> Days:
    """Days whose identity links may change, and those whose sessions share a touched day."""
    return sharing_sessions(touched) | touched.relinked


def sharing_sessions(touched: Touched) -> Days:
    """The touched days, their neighbours, and the days of stored sessions that reach a touched day."""
    return _widened(touched.days) | touched.reaching


def economy_flows(touched: Touched) -> Days:
    """The days whose events may change."""
    return events(touched)


def experiment_exposures(touched: Touched) -> Days:
    """The days whose events may change."""
    return events(touched)


def client_health(touched: Touched) -> Days:
    """The days whose events may change."""
    return events(touched)


def level_attempts(touched: Touched) -> Days:
    """The days of the sessions that may change, to their ends: an attempt says which session it is in."""
    return sessions(touched) | touched.covered


def player_days(touched: Touched) -> Days:
    """Days whose events, sessions or money may change."""
    return events(touched) | sessions(touched) | purchases(touched) | ad_impressions(touched)


def player_snapshots(touched: Touched) -> Days:
    """Every stored day from the first on whose player days may change: state is carried forward."""
    first = min(player_days(touched), default=date.max)
    stored = materialized_days(touched.root, "gold.player_snapshots")
    return frozenset(day for day in stored if day >= first) | touched.days


def daily_kpis(touched: Touched) -> Days:
    """The days of the snapshots, and those whose sessions may change."""
    return player_snapshots(touched) | player_days(touched)


AFFECTED: dict[str, Callable[[Touched], Days]] = {
    "silver.unsent_ids": unsent_ids,
    "silver.identity_links": identity_links,
    "silver.events": events,
    "silver.rejected_events": rejected_events,
    "silver.transactions": transactions,
    "silver.purchases": purchases,
    "silver.ad_impressions": ad_impressions,
    "silver.sessions": sessions,
    "silver.economy_flows": economy_flows,
    "silver.experiment_exposures": experiment_exposures,
    "silver.client_health": client_health,
    "silver.level_attempts": level_attempts,
    "silver.player_days": player_days,
    "gold.player_snapshots": player_snapshots,
    "gold.daily_kpis": daily_kpis,
}


def with_other_rates(entries: Mapping[date, Materialized], rates: ExchangeRates) -> Days:
    """Days of a table of money that were computed with other exchange rates than those there are now."""
    return frozenset(
        day
        for day, entry in entries.items()
        if entry.state == "done" and entry.fingerprints.get(RATES_FINGERPRINT, 0) != rates.fingerprint(day)
    )


def days_with_other_rates(root: str) -> Days:
    """Stored days whose money was computed with other exchange rates than those in the lake now."""
    rates = read_rates(root)
    return frozenset().union(*(with_other_rates(materialized_days(root, name), rates) for name in MONEY_TABLES))


def pending(root: str, bronze: BronzeDays, start_date: date) -> Window | None:
    """Return the days to materialize so that every table is what its layer below says; None when all of them are.

    One range, from the first day that is not up to date to the newest there is: what carries state forward needs the
    days between too.
    """
    touched = touched_days(root, bronze, start_date)
    stored = {name: materialized_days(root, name) for name in AFFECTED}
    behind = {day for entries in stored.values() for day, entry in entries.items() if not _is_current(entry, bronze)}
    behind |= days_with_other_rates(root)
    behind |= (
        touched
        | set(stale_links(stored[LINKS]))
        | set(stale_days(stored["silver.events"], recorded_links(stored[LINKS])))
        | set(stale_days(stored[SNAPSHOTS], recorded_history(stored[PLAYER_DAYS], stored[LINKS])))
    )
    known = [day for day in (*touched, *(day for entries in stored.values() for day in entries)) if day >= start_date]
    if not known:
        return None
    # A day on which nobody played has its sheet too, and is in a table that this version is the first to have.
    # (Old snapshots are thinned: they tell nothing here.)
    complete = set.intersection(*(set(entries) for name, entries in stored.items() if name != SNAPSHOTS))
    behind |= {day for day in Window.of_days(min(known), max(known)) if day not in complete}
    first = min((day for day in behind if day >= start_date), default=None)
    return Window.of_days(first, max(known)) if first is not None else None


def _is_current(entry: Materialized, bronze: BronzeDays) -> bool:
    """Whether a stored day is what it would be if it were computed now, as far as its own entry tells."""
    read = (entry.bronze_rows_before, entry.bronze_rows, entry.bronze_rows_after)
    now = tuple(bronze.rows.get(entry.day + timedelta(days=n), 0) for n in (-1, 0, 1))
    return entry.state == "done" and not entry.is_stale and read == now


def closing_window(day: date, start_date: date) -> Window:
    """Return the days to materialize when `day` closes: what its last events complete, the day before included.

    A session of the evening before is known to its end only now. What lies further back is `pending`.
    """
    return Window.of_days(max(min(_widened([day])), start_date), day)


def _deliveries(touched: Touched) -> Days:
    """The touched days and their neighbours, and days with other copies of deliveries that have no `sent_ts`."""
    return _widened(touched.days) | touched.sharing_ids


def _widened(days: Iterable[date]) -> Days:
    return frozenset(day + timedelta(days=n) for day in days for n in (-1, 0, 1))

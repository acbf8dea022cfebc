"""Materialize days of a table: compute, write, and record what was written from what."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from pyspark.sql import DataFrame

from telemetry_platform.errors import LakeError
from telemetry_platform.lake import manifest
from telemetry_platform.lake.lease import lease
from telemetry_platform.lake.log import Contents
from telemetry_platform.lake.manifest import Materialized, Written
from telemetry_platform.lake.session import suited_to
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.affected import (
    AFFECTED,
    MONEY_TABLES,
    RATES_FINGERPRINT,
    Touched,
    sharing_sessions,
    with_other_rates,
)
from telemetry_platform.partitions.carried import (
    PLAYER_DAYS,
    SNAPSHOTS,
    fingerprints_of,
    history,
    recorded_history,
)
from telemetry_platform.partitions.fingerprints import History, holds, stale_days
from telemetry_platform.partitions.layers import Layers, contiguous
from telemetry_platform.partitions.linked import LINKS, complete_links, link_fingerprints, recorded_links
from telemetry_platform.quality.audit import Audit

# Those whose rows depend on days beyond the next ones.
_MARKED = (
    *("silver.events", "silver.rejected_events", "silver.sessions", "silver.level_attempts"),
    *("silver.purchases", "silver.ad_impressions", "silver.player_days"),
)
_FROM_ALL_HISTORY = (SNAPSHOTS, "gold.daily_kpis")
_FROM_BRONZE = ("silver.unsent_ids", LINKS, "silver.events")


@dataclass(frozen=True)
class Published:
    """What a write left in the table, what it set aside, and what it could not or did not bring up to date.

    `missing` are days that were never materialized, so that `held` games kept the rows they had; `stale` are stored
    snapshots of other days that were carried from what is no longer so.
    """

    contents: Contents
    audit: Audit
    held: frozenset[str] = frozenset()
    missing: tuple[Window, ...] = ()
    stale: tuple[Window, ...] = ()


def materialize(
    layers: Layers, name: str, window: Window, *, rows: DataFrame | None = None, run_id: str = ""
) -> Published:
    """Replace the days of `window` in table `name` and record them in the manifest.

    `rows` are those the recipe gives, for a caller that has them. Games whose registry entry cannot be read keep the
    rows they have, and so do, in tables made from all of history, those with days that were never materialized.
    Raises LakeError when that is all of them.
    """
    with suited_to(layers.lake.spark, _size(layers, name, window)):
        return _materialize(layers, name, window, rows, run_id)


def _size(layers: Layers, name: str, window: Window) -> int:
    """About how many rows are read for the days."""
    size = sum(layers.bronze.rows.get(day, 0) for day in window.widened(before=1, after=1))
    if name in _FROM_ALL_HISTORY:
        size += max((entry.rows for entry in layers.entries(SNAPSHOTS).values()), default=0)
    return size


def _materialize(layers: Layers, name: str, window: Window, rows: DataFrame | None, run_id: str) -> Published:
    past = history(layers, window.end - timedelta(days=1)) if name in _FROM_ALL_HISTORY else None
    without = {fault.game_id for fault in layers.registry.faults} | (past.held if past else set())
    if past is not None and past.held and not past.days.keys() - past.held:
        raise LakeError(f"{name} {window} needs days that were never materialized. {_what_to_do(past.missing)}")
    if name == "silver.events":
        complete_links(layers, window.end - timedelta(days=1))
        _mark_what_depends_on(layers, window)
        _mark_what_follows_from_links(layers, window)
    if name in MONEY_TABLES:
        _mark_player_days(layers, name, window)
    found = layers.recipes[name](layers, window) if rows is None else rows
    entries = [_entry(layers, day, run_id) for day in window]
    root = layers.lake.root
    # One lease over both: nobody may write to the table between its commit and the word that it is done.
    with lease(root, name, owner=f"materializing {window}"):
        manifest.begin(root, name, entries)
        contents, audit = layers.lake.replace(name, found, window, without_games=without)
        written = Written(contents.version, contents.rows_by_day, _fingerprints(layers, name, window, past))
        layers.written(name, manifest.finish(root, name, entries, written))
    if past is None:
        return Published(contents, audit)
    stale = stale_days(layers.entries(SNAPSHOTS), recorded_history(layers.entries(PLAYER_DAYS), layers.entries(LINKS)))
    return Published(contents, audit, past.held, tuple(contiguous(past.missing)), tuple(contiguous(stale)))


def _mark_what_depends_on(layers: Layers, window: Window) -> None:
    """Note which stored days further away change by the rows that the window's days have gained.

    Of the days next to them their counts tell, and of the snapshots and what is made from them their fingerprints.
    """
    known = layers.entries("silver.events")
    grown = frozenset(
        day for day in window if day not in known or known[day].bronze_rows != layers.bronze.rows.get(day, 0)
    )
    touched = Touched(layers.lake.root, grown & layers.bronze.rows.keys(), layers.games)
    near = window.widened(before=1, after=1)
    for name in _MARKED:
        elsewhere = {day for day in layers.entries(name) if day not in near}
        if touched.days and elsewhere:
            _mark(layers, name, AFFECTED[name](touched) & elsewhere)


def _mark_player_days(layers: Layers, name: str, window: Window) -> None:
    """Note which player days hold money at exchange rates that this table of it is about to give up."""
    _mark(layers, PLAYER_DAYS, with_other_rates(layers.entries(name), layers.exchange_rates).intersection(window))


def _mark_what_follows_from_links(layers: Layers, window: Window) -> None:
    """Note which stored days change with the window's days whose identity links are not those they were made from."""
    known, past = layers.entries("silver.events"), recorded_links(layers.entries(LINKS))
    relinked = frozenset(day for day in window if day in known and not holds(known, past, day))
    touched = Touched(layers.lake.root, relinked, layers.games)
    changed = sharing_sessions(touched) | touched.covered
    for name in AFFECTED:
        if changed and name.startswith("silver.") and name not in _FROM_BRONZE:
            _mark(layers, name, changed)


def _mark(layers: Layers, name: str, days: Iterable[date]) -> None:
    entries = layers.entries(name)
    stale = [entries[day] for day in sorted(days) if day in entries and not entries[day].is_stale]
    if stale:
        manifest.mark_stale(layers.lake.root, name, stale)
        layers.written(name, [replace(entry, is_stale=True) for entry in stale])


def _what_to_do(missing: Iterable[date]) -> str:
    days = contiguous(missing)
    commands = "; ".join(
        f"telemetry materialize --from {part.start} --to {part.end - timedelta(days=1)}" for part in days[:3]
    )
    return f"Bronze has events of {', '.join(map(str, days[:10]))}{' and more' if days[10:] else ''}: run {commands}."


def _entry(layers: Layers, day: date, run_id: str) -> Materialized:
    return Materialized(
        day=day,
        state="writing",
        bronze_version=layers.bronze.version,
        bronze_rows=layers.bronze.rows.get(day, 0),
        bronze_rows_before=layers.bronze.rows.get(day - timedelta(days=1), 0),
        bronze_rows_after=layers.bronze.rows.get(day + timedelta(days=1), 0),
        games_fingerprint=layers.registry.fingerprint,
        run_id=run_id,
    )


def _fingerprints(layers: Layers, name: str, window: Window, past: History | None) -> dict[date, dict[str, int]]:
    if name == LINKS:
        return link_fingerprints(layers, window)
    if name == "silver.events":
        links = recorded_links(layers.entries(LINKS))
        return {day: links.at(day) for day in window}
    if name == PLAYER_DAYS:
        return fingerprints_of(layers.lake.read(name, [window]), window)
    if name in MONEY_TABLES:
        return {day: {RATES_FINGERPRINT: layers.exchange_rates.fingerprint(day)} for day in window}
    if name == SNAPSHOTS and past is not None:
        return {day: past.at(day) for day in window}
    return {}

"""The truth that gold must equal: every manifest's numbers, added up per game and day."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal

from telemetry_platform.settings import Settings
from telemetry_platform.simulator.manifest import Kpis, Manifest, read_manifests

_ZERO_FACTS: Kpis = {
    "event_count": 0,
    "excluded_events": 0,
    "sessions": 0,
    "session_seconds": "0.000000",
    "playtime_seconds": "0.000000",
    "iap_revenue": "0.000000",
    "iap_revenue_unverified": "0.000000",
    "refunds": "0.000000",
    "ad_revenue": "0.000000",
    "revenue": "0.000000",
    "purchases": 0,
    "payers": 0,
    "new_payers": 0,
}

_ACTIVITY = (
    "dau",
    "wau",
    "mau_30d",
    "mau_calendar",
    "new_players",
    "returning_players",
    "resurrected_players",
    "dormant_players",
)


def expected_kpis(settings: Settings, through: date | None = None) -> dict[tuple[str, date], dict[str, Decimal | int]]:
    """Add up all manifests per game and day, from a game's first day through `through`.

    Sums are right because no two runs share a player. Without `through`, the latest day any
    manifest was written for. Money and seconds are Decimal, counts are int.
    """
    manifests = read_manifests(settings)
    if not manifests:
        return {}
    last = through or max(manifest.through_date for manifest in manifests)
    totals: dict[tuple[str, date], dict[str, Decimal | int]] = {}
    for manifest in manifests:
        for day, row in days_through(manifest, last).items():
            total = totals.setdefault((manifest.game_id, day), {})
            for name, value in row.items():
                number = Decimal(value) if isinstance(value, str) else value
                total[name] = total.get(name, 0) + number
    return _from_first_event(totals)


def _from_first_event(
    totals: dict[tuple[str, date], dict[str, Decimal | int]],
) -> dict[tuple[str, date], dict[str, Decimal | int]]:
    """Leave out the days before a game's first event: gold has no row for them."""
    begun: set[str] = set()
    kept = {}
    for (game_id, day), row in sorted(totals.items()):
        if row["event_count"]:
            begun.add(game_id)
        if game_id in begun:
            kept[game_id, day] = row
    return kept


def days_through(manifest: Manifest, through: date) -> dict[date, Kpis]:
    """Return the manifest's rows for every day from its first one through `through`.

    Players stay in the MAU of days after their last event, which is why a later day needs a row.
    """
    facts = {day: {name: row[name] for name in _ZERO_FACTS} for day, row in manifest.days.items()}
    return daily_rows(manifest.first_date, through, facts, manifest.players_activity())


def daily_rows(first_date: date, through: date, facts: dict[date, Kpis], activity: Sequence[int]) -> dict[date, Kpis]:
    """Join the day's own facts with what the players' activity bitmaps say (bit 0 is `first_date`)."""
    days = [first_date + timedelta(days=number) for number in range((through - first_date).days + 1)]
    return {
        day: {**_activity_row(first_date, number, activity), **facts.get(day, _ZERO_FACTS)}
        for number, day in enumerate(days)
    }


def _activity_row(first_date: date, number: int, activity: Iterable[int]) -> Kpis:
    day = first_date + timedelta(days=number)
    row: dict[str, int] = dict.fromkeys(_ACTIVITY, 0)
    up_to_today = (1 << (number + 1)) - 1
    this_week, thirty_days, this_month = (
        up_to_today & ~((1 << max(0, number + 1 - length)) - 1) for length in (7, 30, day.day)
    )
    today, yesterday = 1 << number, (1 << number) >> 1
    for played in activity:
        seen = played & up_to_today
        if not seen & thirty_days and not seen & this_month:
            continue
        row["mau_30d"] += bool(seen & thirty_days)
        row["mau_calendar"] += bool(seen & this_month)
        row["wau"] += bool(seen & this_week)
        if not seen & today:
            row["dormant_players"] += bool(seen & yesterday)
            continue
        row["dau"] += 1
        kind = "new" if seen == today else "returning" if seen & yesterday else "resurrected"
        row[f"{kind}_players"] += 1
    return {**row}

"""Counts of what is planted, kept while planting: the truth comes from the plan, not from the events."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from telemetry_platform.simulator.events import DAY_US, Step

COUNTED_RECEIPTS = frozenset({"valid", "unverified", None})


@dataclass(slots=True)
class DayFacts:
    """What happened on one day. Money is in millionths of a dollar, times in microseconds."""

    event_count: int = 0
    excluded_events: int = 0
    sessions: int = 0
    session_us: int = 0
    purchases: int = 0
    iap_micros: int = 0
    unverified_micros: int = 0
    refund_micros: int = 0
    ad_micros: int = 0


@dataclass(slots=True)
class Tally:
    """Running truth of one run. Days count from `first_day` (days since 1970)."""

    first_day: int
    days: defaultdict[int, DayFacts] = field(default_factory=lambda: defaultdict(DayFacts))
    activity: list[int] = field(default_factory=list)
    payer_days: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    transactions: set[str] = field(default_factory=set)

    def add_player(self) -> int:
        """Start counting a player; returns its number in this tally."""
        self.activity.append(0)
        return len(self.activity) - 1

    def add_session(self, player: int, start_us: int, steps: Sequence[Step]) -> None:
        """Count a planned session of a player whose traffic is not excluded."""
        last_us = start_us + steps[-1][0] * 1_000
        first_day = start_us // DAY_US
        of_start = self.days[first_day]
        of_start.sessions += 1
        of_start.session_us += last_us - start_us
        self.activity[player] |= 1 << (first_day - self.first_day)
        if last_us // DAY_US == first_day:
            of_start.event_count += len(steps)
        else:
            for offset_ms, _, _ in steps:
                day = (start_us + offset_ms * 1_000) // DAY_US
                self.days[day].event_count += 1
                self.activity[player] |= 1 << (day - self.first_day)
        for offset_ms, name, properties in steps:
            if name == "ad_impression":
                self.days[(start_us + offset_ms * 1_000) // DAY_US].ad_micros += (properties or {})["revenue_micros"]
            elif name == "purchase":
                self._add_purchase(player, (start_us + offset_ms * 1_000) // DAY_US, properties or {})

    def add_excluded(self, start_us: int, steps: Sequence[Step]) -> None:
        """Count events that enter no metric."""
        for offset_ms, _, _ in steps:
            self.days[(start_us + offset_ms * 1_000) // DAY_US].excluded_events += 1

    def add_refund(self, us: int, price_minor: int) -> None:
        """Count a refund on its own day; it makes nobody active."""
        facts = self.days[us // DAY_US]
        facts.event_count += 1
        facts.refund_micros += price_minor * 10_000

    def add_server_event(self, us: int) -> None:
        """Count an event of the game's server: an event of the day, but no activity."""
        self.days[us // DAY_US].event_count += 1

    def _add_purchase(self, player: int, day: int, properties: dict) -> None:
        receipt = properties.get("receipt_status")
        if receipt not in COUNTED_RECEIPTS or properties["transaction_id"] in self.transactions:
            return
        self.transactions.add(properties["transaction_id"])
        facts = self.days[day]
        micros = properties["price_minor"] * 10_000
        facts.purchases += 1
        facts.iap_micros += micros
        if receipt != "valid":
            facts.unverified_micros += micros
        self.payer_days[player].add(day)

    def fact_rows(self) -> dict[int, dict[str, int | str]]:
        """Return per day (since 1970) the values that need no look at other days."""
        payers: defaultdict[int, int] = defaultdict(int)
        new_payers: defaultdict[int, int] = defaultdict(int)
        for paid_on in self.payer_days.values():
            new_payers[min(paid_on)] += 1
            for day in paid_on:
                payers[day] += 1
        return {
            day: {
                "event_count": facts.event_count,
                "excluded_events": facts.excluded_events,
                "sessions": facts.sessions,
                "session_seconds": decimal_text(facts.session_us),
                "playtime_seconds": decimal_text(facts.session_us),
                "iap_revenue": decimal_text(facts.iap_micros - facts.refund_micros),
                "iap_revenue_unverified": decimal_text(facts.unverified_micros),
                "refunds": decimal_text(facts.refund_micros),
                "ad_revenue": decimal_text(facts.ad_micros),
                "revenue": decimal_text(facts.iap_micros - facts.refund_micros + facts.ad_micros),
                "purchases": facts.purchases,
                "payers": payers[day],
                "new_payers": new_payers[day],
            }
            for day, facts in sorted(self.days.items())
        }


def decimal_text(micros: int) -> str:
    """Write millionths as a decimal number with six places."""
    return f"{Decimal(micros).scaleb(-6):.6f}"

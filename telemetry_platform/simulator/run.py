"""A planned run: its requests, ready to send, and its truth."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from telemetry_platform.simulator.events import day_of
from telemetry_platform.simulator.manifest import Manifest, Totals
from telemetry_platform.simulator.tally import Tally
from telemetry_platform.simulator.truth import daily_rows


@dataclass(frozen=True)
class Request:
    """One request: its events, the indexes the collector must refuse, and the sender's clock error."""

    events: tuple[bytes, ...]
    rejected: frozenset[int] = frozenset()
    clock_offset: timedelta = timedelta(0)


@dataclass(frozen=True)
class Run:
    """A run of one game. History goes to the import endpoint, live traffic to the events endpoint."""

    manifest: Manifest
    requests: tuple[Request, ...]

    @property
    def run_id(self) -> str:
        """Name of the run and of its manifest."""
        return self.manifest.run_id

    @property
    def path(self) -> str:
        """Endpoint the run is sent to."""
        return "/v1/import" if self.manifest.kind == "history" else "/v1/events"

    @property
    def event_total(self) -> int:
        """Events of one sending, duplicates and broken ones included."""
        return self.manifest.totals.events_sent


@dataclass(frozen=True, kw_only=True)
class Planted:
    """What a planner knows at the end, from which the manifest is made."""

    run_id: str
    kind: Literal["history", "live"]
    game_id: str
    seed: int
    players: int
    history_days: int
    through: date
    tally: Tally
    malformed: Counter[str]
    natural_copies: int
    id_collisions: int


def finish(planted: Planted, requests: Sequence[Request]) -> Run:
    """Make the manifest of a planned run and join it with its requests."""
    sent = sum(len(request.events) for request in requests)
    rejected = sum(len(request.rejected) for request in requests)
    tally = planted.tally
    facts = {day_of(day * 86_400_000_000): row for day, row in tally.fact_rows().items()}
    first = day_of(tally.first_day * 86_400_000_000)
    manifest = Manifest(
        run_id=planted.run_id,
        kind=planted.kind,
        game_id=planted.game_id,
        seed=planted.seed,
        players=planted.players,
        history_days=planted.history_days,
        first_date=first,
        last_date=max(facts, default=first),
        through_date=planted.through,
        times_sent=0,
        fingerprint=_fingerprint(requests),
        totals=Totals(
            events_sent=sent,
            accepted=sent - rejected,
            rejected=dict(sorted(planted.malformed.items())),
            natural_copies=planted.natural_copies,
            id_collisions=planted.id_collisions,
            excluded_events=sum(facts.excluded_events for facts in tally.days.values()),
            silver_events=sent - rejected - planted.natural_copies - planted.id_collisions,
        ),
        days=daily_rows(first, planted.through, facts, tally.activity),
        activity=" ".join(f"{bitmap:x}" for bitmap in tally.activity),
    )
    return Run(manifest=manifest, requests=tuple(requests))


def _fingerprint(requests: Sequence[Request]) -> str:
    digest = hashlib.sha256()
    for request in requests:
        digest.update(b"\n".join(request.events))
    return digest.hexdigest()

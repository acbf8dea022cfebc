"""What the product knows about a game: its registry entry, parsed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class FunnelStep:
    """One step: an event name and, optionally, equalities on its properties."""

    event: str
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Funnel:
    """Ordered steps; the window, in seconds, starts at step 1 and its bound is inclusive."""

    name: str
    window_seconds: int
    steps: tuple[FunnelStep, ...]


@dataclass(frozen=True)
class TestSubject:
    """A player or build on the test list, effective from a UTC day on."""

    value: str
    valid_from: date


@dataclass(frozen=True)
class Quota:
    """Sustained rates a game may send at; bursts of `burst_seconds` of that rate are let through."""

    events_per_second: int = 20_000
    bytes_per_second: int = 40_000_000
    burst_seconds: int = 10


PersonalRule = Literal["drop", "hash"]


@dataclass(frozen=True)
class Game:
    """A registry entry. Defaults are those of metrics.md.

    `personal_properties` says what becomes of a property before it reaches Kafka; `events` is the folder of
    the game's own schemas.
    """

    game_id: str
    name: str
    session_gap_minutes: int = 30
    reporting_currency: str = "USD"
    lateness_horizon_days: int = 30
    quota: Quota = field(default_factory=Quota)
    personal_properties: Mapping[str, PersonalRule] = field(default_factory=dict)
    test_players: tuple[TestSubject, ...] = ()
    test_builds: tuple[TestSubject, ...] = ()
    funnels: tuple[Funnel, ...] = ()
    events: Path | None = None

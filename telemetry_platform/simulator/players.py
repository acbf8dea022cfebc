"""Who plays: one player's fixed traits."""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from telemetry_platform.simulator.plan import GamePlan

_COUNTRIES = ("US", "DE", "JP", "BR", "GB", "FR", "IN", "KR")
_COUNTRY_WEIGHTS = (30, 14, 12, 12, 10, 8, 8, 6)
_ZONES = (120, -300, 330)
_BUILD_DAYS = 9
_BUILD_EPOCH = date(2026, 1, 1)


@dataclass(frozen=True, slots=True)
class Player:
    """Traits that do not change. A guest has no `player_id`; a web player has no device."""

    number: int
    player_id: str | None
    devices: tuple[str | None, ...]
    platform: str
    country: str
    zone_minutes: int
    update_lag_days: int
    loyalty: float
    skill: float
    buys: float
    is_excluded: bool

    @property
    def environment(self) -> str:
        """Where the build this player runs reports to."""
        return "development" if self.is_excluded else "production"

    def build_version(self, day: date) -> str:
        """Version this player has on `day`: a release every nine days, installed after a lag of its own."""
        releases = (day - _BUILD_EPOCH - timedelta(days=self.update_lag_days)).days // _BUILD_DAYS
        return f"1.{releases}.0" if releases >= 0 else "0.9.0"


def run_tag(run_id: str) -> str:
    """Short form of a run's id, which its players, sessions and transactions carry."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:10]


def draw_player(rng: Random, plan: GamePlan, tag: str, number: int) -> Player:
    """Draw a player whose ids contain the run's tag, so that the players of two runs never meet."""
    roll = rng.random()
    platform = "ios" if roll < 0.40 else "android" if roll < 0.85 else "web"
    # A guest is known by its device alone, so it has exactly one.
    is_guest = platform != "web" and rng.random() < 0.08
    device = None if platform == "web" else f"d-{tag}-{number}"
    devices = (device, f"e-{tag}-{number}") if not is_guest and rng.random() < 0.03 else (device,)
    return Player(
        number=number,
        player_id=None if is_guest else f"p-{tag}-{number}",
        devices=devices,
        platform=platform,
        country=rng.choices(_COUNTRIES, _COUNTRY_WEIGHTS)[0],
        zone_minutes=rng.choice(_ZONES) if rng.random() < 0.02 else 0,
        update_lag_days=int(rng.expovariate(0.7)),
        loyalty=plan.first_day_return * rng.uniform(0.5, 1.5),
        skill=rng.uniform(0.55, 0.9),
        buys=rng.uniform(0.05, 0.35) if rng.random() < plan.payer_share else 0.0,
        is_excluded=rng.random() < plan.faults.excluded_player_share,
    )

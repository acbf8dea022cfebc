"""What a simulated game looks like and how much goes wrong in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

DEFAULT_SEED = 20_260_101


@dataclass(frozen=True)
class Faults:
    """How often things go wrong; rates are per event, `_every` counts completed levels."""

    duplicate_rate: float = 0.01
    malformed_rate: float = 0.003
    collision_every: int = 4_000
    excluded_player_share: float = 0.006


@dataclass(frozen=True)
class GamePlan:
    """A simulated game. `players` arrive over the whole history; `live_events` is the size of one live run."""

    game_id: str
    name: str
    genre: Literal["puzzle", "rpg"]
    session_gap_minutes: int
    players: int
    live_events: int
    payer_share: float
    first_day_return: float
    return_decay: float
    ads_per_level: float
    faults: Faults = field(default_factory=Faults)

    @property
    def session_gap_us(self) -> int:
        """Longest silence, in microseconds, that still belongs to one session."""
        return self.session_gap_minutes * 60_000_000


def default_plans() -> dict[str, GamePlan]:
    """Return the two games of the demo: one casual with ads, one with longer sessions and more purchases."""
    puzzle = GamePlan(
        game_id="demo_puzzle",
        name="Demo Puzzle",
        genre="puzzle",
        session_gap_minutes=30,
        players=2_650,
        live_events=3_500,
        payer_share=0.06,
        first_day_return=0.42,
        return_decay=0.55,
        ads_per_level=0.35,
    )
    rpg = GamePlan(
        game_id="demo_rpg",
        name="Demo RPG",
        genre="rpg",
        session_gap_minutes=20,
        players=1_800,
        live_events=2_500,
        payer_share=0.12,
        first_day_return=0.48,
        return_decay=0.45,
        ads_per_level=0.08,
    )
    return {plan.game_id: plan for plan in (puzzle, rpg)}


def game_files(plans: Mapping[str, GamePlan] | None = None) -> dict[str, str]:
    """Registry entries of the simulated games: game id to the text of its YAML file."""
    return {
        game_id: f"name: {plan.name}\nsession_gap_minutes: {plan.session_gap_minutes}\nreporting_currency: USD\n"
        for game_id, plan in (plans or default_plans()).items()
    }

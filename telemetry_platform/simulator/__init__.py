"""Synthetic players with planted truth; imports nothing of transforms, contracts or lake."""

from telemetry_platform.simulator.simulate import register_games, simulate_history, simulate_live
from telemetry_platform.simulator.truth import expected_kpis

__all__ = ["expected_kpis", "register_games", "simulate_history", "simulate_live"]

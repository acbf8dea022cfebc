"""`telemetry simulate`: synthetic players with planted truth."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from telemetry_platform.cli.console import Description, console, errors, print_json
from telemetry_platform.errors import SettingsError
from telemetry_platform.settings import current_settings
from telemetry_platform.simulator.plan import GamePlan, default_plans
from telemetry_platform.simulator.sending import SendSummary
from telemetry_platform.simulator.simulate import HISTORY_DAYS, simulate_history, simulate_live


def simulate(
    games: Annotated[list[str] | None, typer.Option("--games", help="Only this game; may be given again.")] = None,
    days: Annotated[int, typer.Option(min=1, max=365, help="Whole days of history, ending yesterday.")] = HISTORY_DAYS,
    players: Annotated[int | None, typer.Option(min=1, help="Players per game in the history.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed plants another history beside the first.")] = None,
    live_only: Annotated[bool, typer.Option("--live-only", help="Send only a short live run.")] = False,
    history_only: Annotated[bool, typer.Option("--history-only", help="Send only the history.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was sent as JSON.")] = False,
) -> None:
    """Send synthetic players through the collector, and write down the truth first.

    Registers the simulated games when they are not there. The truth of each run is in
    `<TELEMETRY_HOME>/simulator`; `telemetry verify` holds gold against it.

    Example: telemetry simulate --days 7 --players 200
    """
    if live_only and history_only:
        raise SettingsError("--live-only and --history-only exclude each other: give one of them or neither.")
    settings = current_settings()
    plans = _plans(games, players)
    sent: list[SendSummary] = []
    with _progress() as progress:
        if not live_only:
            task = progress.add_task("history", total=None)
            sent += simulate_history(
                settings,
                seed=seed,
                days=days,
                plans=plans,
                report=lambda done, total: progress.update(task, completed=done, total=total),
            )
        if not history_only:
            live_task = progress.add_task("live", total=None)
            sent += simulate_live(
                settings,
                seed=seed,
                plans=plans,
                report=lambda done, total: progress.update(live_task, completed=done, total=total),
            )
    if as_json:
        print_json([asdict(summary) for summary in sent])
    else:
        console.print(summary_table(sent))


def summary_table(sent: Sequence[SendSummary]) -> Table:
    """Table of what was sent, one row a run."""
    table = Table("game", "run", title="Sent through the collector", box=box.SIMPLE)
    for column in table.columns:
        column.no_wrap = True
    for name in ("accepted", "rejected", "copies", "collisions", "events/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for summary in sent:
        events = summary.accepted + summary.rejected
        table.add_row(
            summary.game_id,
            summary.kind if summary.times_sent == 1 else f"{summary.kind} ×{summary.times_sent}",
            f"{summary.accepted:,}",
            f"{summary.rejected:,}",
            f"{summary.natural_copies:,}",
            f"{summary.id_collisions:,}",
            f"{events / summary.wall_seconds:,.0f}" if summary.wall_seconds else "",
        )
    return table


def _plans(games: Sequence[str] | None, players: int | None) -> dict[str, GamePlan]:
    known = default_plans()
    unknown = [game_id for game_id in games or () if game_id not in known]
    if unknown:
        raise SettingsError(f"No simulated game is called {', '.join(unknown)}: there are {', '.join(known)}.")
    chosen = {game_id: plan for game_id, plan in known.items() if not games or game_id in games}
    if players is None:
        return chosen
    return {game_id: replace(plan, players=players) for game_id, plan in chosen.items()}


def _progress() -> Progress:
    return Progress(Description(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=errors)

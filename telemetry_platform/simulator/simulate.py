"""Plan, write the truth, send: a whole simulation of the demo's games."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Lock

import msgspec

from telemetry_platform.errors import GameRegistryError, SettingsError, VerificationError
from telemetry_platform.games.registry import add_game, load_games, local_keys
from telemetry_platform.settings import Settings
from telemetry_platform.simulator.history import history
from telemetry_platform.simulator.live import live
from telemetry_platform.simulator.manifest import Manifest, find_manifest, read_manifests, write_manifest
from telemetry_platform.simulator.plan import DEFAULT_SEED, GamePlan, default_plans, game_files
from telemetry_platform.simulator.run import Run
from telemetry_platform.simulator.sending import Report, SendSummary, send

HISTORY_DAYS = 30


def register_games(settings: Settings, plans: Mapping[str, GamePlan] | None = None) -> list[str]:
    """Add the simulated games that the registry does not have yet; returns the ids it added.

    Raises GameRegistryError when a game's entry cannot be read, and when it is registered with another
    session gap than it is played with: its truth would be wrong.
    """
    plans = plans or default_plans()
    known = load_games(settings.games_dir)
    files = game_files(plans)
    added = []
    for game_id, plan in plans.items():
        game = known.game(game_id)
        if game is None:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / f"{game_id}.yaml"
                file.write_text(files[game_id], encoding="utf-8")
                add_game(settings, game_id, file)
            added.append(game_id)
        elif game.session_gap_minutes != plan.session_gap_minutes:
            raise GameRegistryError(
                f"{game_id} is simulated with sessions that end after {plan.session_gap_minutes} minutes, but "
                f"registered with {game.session_gap_minutes}: set session_gap_minutes in "
                f"{settings.games_dir / game_id}.yaml."
            )
        elif not _has_keys(settings, game_id):
            add_game(settings, game_id, None)
    return added


def _has_keys(settings: Settings, game_id: str) -> bool:
    try:
        local_keys(settings, game_id)
    except GameRegistryError:
        return False
    return True


def simulate_history(
    settings: Settings,
    *,
    seed: int | None = None,
    days: int = HISTORY_DAYS,
    today: date | None = None,
    report: Report | None = None,
    plans: Mapping[str, GamePlan] | None = None,
) -> list[SendSummary]:
    """Import `days` whole days of history, ending yesterday, for each game; truth is written first.

    Games that are not registered yet are added. A home that has a game's history gets the very same
    events again, whatever the day, unless another `seed` is asked for: then it gets a second history,
    of other players.
    """
    today = today or datetime.now(UTC).date()
    plans = plans or default_plans()
    register_games(settings, plans)
    runs = [plan_history(settings, plan, seed=seed, days=days, today=today) for plan in plans.values()]
    return _send_all(settings, runs, report)


def simulate_live(
    settings: Settings,
    *,
    seed: int | None = None,
    now: datetime | None = None,
    report: Report | None = None,
    plans: Mapping[str, GamePlan] | None = None,
) -> list[SendSummary]:
    """Send a short live run, of new players, for each game; truth is written first."""
    now = now or datetime.now(UTC)
    plans = plans or default_plans()
    register_games(settings, plans)
    runs = []
    for plan in plans.values():
        run_id = f"live-{plan.game_id}-{now:%Y%m%dT%H%M%S%f}"
        runs.append(live(plan, run_id, now, DEFAULT_SEED if seed is None else seed))
    return _send_all(settings, runs, report)


def plan_history(settings: Settings, plan: GamePlan, *, seed: int | None, days: int, today: date) -> Run:
    """Plan a game's history, or the one this home already has, and check that it is still the same."""
    earlier = _earlier_history(settings, plan.game_id, seed)
    if earlier is None:
        first = today - timedelta(days=days)
        if first < settings.start_date:
            raise SettingsError(
                f"A history of {days} days would begin on {first}, before TELEMETRY_START_DATE "
                f"({settings.start_date}): ask for fewer days or set an earlier start."
            )
        return history(plan, DEFAULT_SEED if seed is None else seed, first, days, today)
    run = history(
        replace(plan, players=earlier.players),
        earlier.seed,
        earlier.first_date,
        earlier.history_days,
        max(today, earlier.through_date),
    )
    if run.manifest.fingerprint != earlier.fingerprint:
        raise VerificationError(
            f"{earlier.run_id} was planted by another version of the simulator and cannot be sent again: "
            "run `telemetry reset`, or ask for another --seed."
        )
    return run


def _earlier_history(settings: Settings, game_id: str, seed: int | None) -> Manifest | None:
    for manifest in read_manifests(settings):
        if manifest.kind == "history" and manifest.game_id == game_id and seed in (None, manifest.seed):
            return manifest
    return None


def _send_all(settings: Settings, runs: Sequence[Run], report: Report | None) -> list[SendSummary]:
    """Write every manifest, then send the games side by side, one connection each."""
    counted = [_write_truth(settings, run) for run in runs]
    reports = _joint_reports(counted, report)
    with ThreadPoolExecutor(max_workers=max(1, len(counted))) as pool:
        return list(pool.map(lambda run, one: send(run, settings, one), counted, reports))


def _write_truth(settings: Settings, run: Run) -> Run:
    before = find_manifest(settings, run.run_id)
    times_sent = 1 + (before.times_sent if before else 0)
    counted = replace(run, manifest=msgspec.structs.replace(run.manifest, times_sent=times_sent))
    write_manifest(settings, counted.manifest)
    return counted


def _joint_reports(runs: Sequence[Run], report: Report | None) -> list[Report | None]:
    """Give each run a callback of its own that reports the sum over all of them."""
    if report is None:
        return [None] * len(runs)
    total = sum(run.event_total for run in runs)
    done = [0] * len(runs)
    lock = Lock()

    def of(index: int) -> Callable[[int, int], None]:
        def progress(so_far: int, _: int) -> None:
            with lock:
                done[index] = so_far
                report(sum(done), total)

        return progress

    return [of(index) for index in range(len(runs))]

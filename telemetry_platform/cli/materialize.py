"""`telemetry materialize`."""

import os
import time
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from telemetry_platform.cli.console import Description, console, errors, print_json
from telemetry_platform.errors import TelemetryError
from telemetry_platform.lake.window import Window
from telemetry_platform.settings import Settings, current_settings


def materialize(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC).")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day (UTC), included.")],
    select: Annotated[str | None, typer.Option(help="Assets, in Dagster's selection syntax.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as JSON.")] = False,
) -> None:
    """Materialize a range of days, from silver to the warehouse, in one run.

    Example: telemetry materialize --from 2026-11-01 --to 2026-11-07 --select 'group:silver'
    """
    window = days_to_materialize(current_settings(), first.date(), last.date())
    started = time.monotonic()
    run_id, seconds = run(current_settings(), window, select)
    if as_json:
        print_json({"run_id": run_id, "days": len(window), "seconds": seconds})
        return
    console.print(f"{len(seconds)} assets over {window} in {time.monotonic() - started:.1f} s, run {run_id}.")


def days_to_materialize(settings: Settings, first: date, last: date) -> Window:
    """Window of the two days; raises TelemetryError when one of them is no partition."""
    today = datetime.now(UTC).date()
    if first > last:
        raise TelemetryError(f"--from {first} is after --to {last}.")
    if last > today:
        raise TelemetryError(f"--to {last} is in the future: the newest partition is today, {today} (UTC).")
    if first < settings.start_date:
        raise TelemetryError(f"--from {first} is before the first partition: set TELEMETRY_START_DATE to {first}.")
    return Window.of_days(first, last)


def run(settings: Settings, window: Window, select: str | None = None) -> tuple[str, dict[str, float]]:
    """Materialize with a progress bar; returns the run's id and the seconds of each asset."""
    from telemetry_platform.local.stack import prepare_dagster_home

    home = prepare_dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)  # noqa: TID251 - written, for Dagster
    from telemetry_platform.defs import launch  # importing Dagster takes seconds: only where it is used

    assets = launch.chosen_assets(select)
    seconds: dict[str, float] = {}
    columns = (Description(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task(f"materialize {window}", total=len(assets))

        def report(done: launch.StepDone) -> None:
            seconds[done.asset] = round(done.seconds, 3)
            progress.update(task, advance=1, description=f"materialize {window}: {done.asset}")

        run_id = launch.materialize_range(home, window, assets, report)
    return run_id, seconds

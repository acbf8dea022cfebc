"""`telemetry materialize`."""

import os
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from telemetry_platform.cli.console import Description, console, errors, print_json
from telemetry_platform.errors import TelemetryError
from telemetry_platform.lake.bronze_days import bronze_days
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.affected import pending
from telemetry_platform.settings import Settings, current_settings

if TYPE_CHECKING:
    from telemetry_platform.defs import launch

DAY = "%Y-%m-%d"


def materialize(
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC).")] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day (UTC), included.")
    ] = None,
    is_pending: Annotated[
        bool, typer.Option("--pending", help="From the first day that is not up to date with bronze to the newest.")
    ] = False,
    select: Annotated[str | None, typer.Option(help="Assets, in Dagster's selection syntax.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as JSON.")] = False,
) -> None:
    """Materialize a range of days, from silver to the warehouse, in one run.

    Days before and after it that its tables need, and that were never materialized, are made on the way.

    Example: telemetry materialize --from 2026-11-01 --to 2026-11-07 --select 'group:silver'
    """
    if is_pending == (first is not None or last is not None) or (first is None) != (last is None):
        raise TelemetryError("Say which days: --from DAY --to DAY, or --pending for all that are not up to date.")
    settings = current_settings()
    if first is None or last is None:
        window = pending(settings.lake, bronze_days(settings.lake), settings.start_date)
        if window is None:
            errors.print("Every day is up to date with bronze.")
            if as_json:
                print_json({"run_id": "", "days": 0, "seconds": {}, "failed_checks": []})
            return
    else:
        window = days_to_materialize(settings, first.date(), last.date())
    started = time.monotonic()
    ran = run(settings, window, select)
    if as_json:
        checks = [asdict(check) for check in ran.failed_checks]
        print_json({"run_id": ran.run_id, "days": len(window), "seconds": ran.seconds, "failed_checks": checks})
        return
    took = time.monotonic() - started
    console.print(f"{len(ran.seconds)} assets over {window} in {took:.1f} s, run {ran.run_id}.")


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


@dataclass
class Ran:
    """A run that succeeded: the seconds of each asset, and the checks that found rows to set aside."""

    run_id: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    failed_checks: list["launch.CheckFailed"] = field(default_factory=list)


def run(settings: Settings, window: Window, select: str | None = None) -> Ran:
    """Materialize with a progress bar, and say on stderr which checks are red, and for which games."""
    from telemetry_platform.local.stack import prepare_dagster_home

    home = prepare_dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)  # noqa: TID251 - written, for Dagster
    from telemetry_platform.defs import launch  # importing Dagster takes seconds: only where it is used

    assets = launch.chosen_assets(select)
    ran = Ran()
    columns = (Description(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task(f"materialize {window}", total=len(assets))

        def report(done: launch.StepDone | launch.CheckFailed) -> None:
            if isinstance(done, launch.CheckFailed):
                ran.failed_checks.append(done)
                return
            ran.seconds[done.asset] = round(done.seconds, 3)
            progress.update(task, advance=1, description=f"materialize {window}: {done.asset}")

        ran.run_id = launch.materialize_range(home, window, assets, report)
    for check in ran.failed_checks:
        errors.print(_red(check), style="red", soft_wrap=True)
    return ran


def _red(check: "launch.CheckFailed") -> str:
    return (
        f"{check.asset}, check {check.check}: {check.violations} of {', '.join(check.games) or 'no game'}, "
        f"such as {'; '.join(check.samples)}. All other rows stand; docs/runbooks/a-check-is-red.md says what to do."
    )

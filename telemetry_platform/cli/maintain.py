"""`telemetry maintain`."""

import os
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from telemetry_platform.cli.console import Description, console, errors, print_json
from telemetry_platform.errors import TelemetryError
from telemetry_platform.lake.maintenance import Done, Upkeep, maintain
from telemetry_platform.lake.session import build_session
from telemetry_platform.settings import Settings, current_settings


def maintain_tables(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Compact small files, remove unneeded ones, thin old snapshots, delete Dagster's old runs.

    The job `upkeep` does the same every night. Example: telemetry maintain --dry-run
    """
    settings = current_settings()
    runs = _prune_runs(settings, is_dry_run=dry_run)
    done, failures = _maintain_lake(settings, is_dry_run=dry_run)
    if as_json:
        print_json({"is_dry_run": dry_run, "tables": [asdict(one) for one in done], "runs": runs, "failures": failures})
    else:
        _show(done, runs, is_dry_run=dry_run)
    if failures:
        raise TelemetryError("\n".join(failures))


def _maintain_lake(settings: Settings, *, is_dry_run: bool) -> tuple[list[Done], list[str]]:
    upkeep = Upkeep.of(
        settings, lambda: build_session(settings, "batch", app_name="telemetry maintain"), is_dry_run=is_dry_run
    )
    done: list[Done] = []
    columns = (Description(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task("maintain", total=len(upkeep.tables()))

        def begin(table: str) -> None:
            progress.update(task, description=f"maintain {table}")

        def end() -> None:
            progress.advance(task)

        failures = maintain(upkeep, done.append, begin=begin, end=end)
    return done, failures


def _prune_runs(settings: Settings, *, is_dry_run: bool) -> dict[str, int]:
    """Counts of Dagster's runs; raises TelemetryError while one of them is at work on the tables."""
    from telemetry_platform.local.stack import prepare_dagster_home

    home = prepare_dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)  # noqa: TID251 - written, for Dagster
    from telemetry_platform.defs import run_retention  # importing Dagster takes seconds: only where it is used

    return asdict(run_retention.prune_at(home, settings.run_days, is_dry_run=is_dry_run))


def _show(done: list[Done], runs: dict[str, Any], *, is_dry_run: bool) -> None:
    for one in done:
        console.print(f"{'would: ' if is_dry_run else ''}{one.summary}", soft_wrap=True)
    if not done:
        console.print("The lake needs nothing.")
    console.print(
        f"Dagster: {runs['deleted']} old runs and the compute logs of {runs['compute_logs']} "
        f"{'would be ' if is_dry_run else ''}deleted."
    )

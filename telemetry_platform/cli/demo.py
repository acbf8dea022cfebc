"""`telemetry demo`: the whole path on simulated games, checked against their truth."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table as RichTable

from telemetry_platform.cli import materialize, rates, verify
from telemetry_platform.cli.catching_up import wait_for_bronze
from telemetry_platform.cli.console import Description, console, errors
from telemetry_platform.cli.console import report as report_line
from telemetry_platform.cli.query import ask_lake, ask_warehouse, show_rows
from telemetry_platform.lake.window import Window
from telemetry_platform.local import stack
from telemetry_platform.local.process import group_cpu_seconds
from telemetry_platform.settings import Settings, current_settings
from telemetry_platform.simulator import simulate_history, simulate_live
from telemetry_platform.simulator.manifest import read_manifests
from telemetry_platform.simulator.plan import DEFAULT_SEED

SHOWN_DAYS = 7


@dataclass
class Stopwatch:
    """Wall and CPU seconds of each stage, over this process and the stack's."""

    settings: Settings
    stages: list[tuple[str, float, float]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what happens inside as stage `name`."""
        errors.print(name, style="bold")
        wall, cpu = time.monotonic(), self._cpu_seconds()
        yield
        self.stages.append((name, time.monotonic() - wall, self._cpu_seconds() - cpu))

    def _cpu_seconds(self) -> float:
        # By process group: the JVM of this process's Spark session is a child that has not ended yet.
        return group_cpu_seconds(os.getpgrp()) + sum(stack.cpu_seconds(self.settings).values())


def demo(
    days: Annotated[int, typer.Option(min=1, max=90, help="Days of history.")] = 30,
    seed: Annotated[int, typer.Option(help="Seed of the simulated games.")] = DEFAULT_SEED,
) -> None:
    """Run the whole path: simulate, collect, stream, materialize, sync, verify; leave the stack up.

    Example: telemetry demo
    """
    settings = current_settings()
    watch = Stopwatch(settings)
    with watch.stage("Start the stack"):
        stack.up(settings, without=frozenset({"dagster"}), report=report_line)
    now = datetime.now(UTC)
    with watch.stage("Import history over HTTP"), _bar("events") as report:
        simulate_history(settings, seed=seed, days=days, today=now.date(), report=report)
    with watch.stage("Send live traffic"), _bar("events") as report:
        simulate_live(settings, seed=seed, now=datetime.now(UTC), report=report)
    with watch.stage("Stream into bronze"):
        wait_for_bronze(settings)
    window = Window.of_days(min(manifest.first_date for manifest in read_manifests(settings)), now.date())
    rates.load_sample_rates(settings, window)
    with watch.stage("Materialize silver, gold and the warehouse"):
        materialize.run(settings, window)
    with watch.stage("Verify against the simulator's truth"):
        verdict = verify.compare(settings)
    verify.raise_if_different(verdict)
    with watch.stage("Start Dagster"):
        stack.up(settings, without=frozenset(), report=report_line)
    _print_results(settings, watch, verdict)


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    columns = (Description(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task(f"  {unit}", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report


def _print_results(settings: Settings, watch: Stopwatch, verdict: verify.Verdict) -> None:
    since = datetime.now(UTC).date() - timedelta(days=SHOWN_DAYS)
    console.print(f"\nDaily KPIs, from the warehouse, the last {SHOWN_DAYS} days and today", style="bold")
    show_rows(
        *ask_warehouse(
            settings,
            "SELECT event_date AS day, game_id AS game, dau, wau, mau_30d AS mau, new_players AS new, sessions, "
            "payers, revenue, round(arpdau, 4) AS arpdau FROM gold.daily_kpis WHERE segment = 'all' "
            f"AND event_date >= DATE'{since}' ORDER BY game_id, event_date",
        )
    )
    console.print("Events by game, from bronze and silver", style="bold")
    show_rows(*ask_lake(settings, _ACCOUNT))
    console.print(f"{verdict.compared} numbers equal the simulator's truth.", style="green")
    _print_stages(watch)
    for service in stack.status(settings):
        console.print(f"  {service.name:<10} {service.url}")
    console.print("`telemetry status` shows the stack, `telemetry down` ends it.")


_ACCOUNT = """
SELECT b.game_id, b.kafka_records, b.rejected, s.silver_events,
       b.kafka_records - b.rejected - s.silver_events AS duplicates
FROM (SELECT game_id, count(*) AS kafka_records, count(error_type) AS rejected FROM bronze.events GROUP BY 1) b
JOIN (SELECT game_id, count(*) AS silver_events FROM silver.events GROUP BY 1) s USING (game_id) ORDER BY 1
"""


def _print_stages(watch: Stopwatch) -> None:
    table = RichTable("Stage", "Wall s", "CPU s", title="How long it took")
    for name, wall, cpu in watch.stages:
        table.add_row(name, f"{wall:.1f}", f"{cpu:.1f}")
    table.add_row(
        "Total",
        f"{sum(row[1] for row in watch.stages):.1f}",
        f"{sum(row[2] for row in watch.stages):.1f}",
        style="bold",
    )
    console.print(table)

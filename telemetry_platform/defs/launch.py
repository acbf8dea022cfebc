"""Materialize a range of days in this process, recorded in the same storage as the UI's runs."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from telemetry_platform.errors import TelemetryError
from telemetry_platform.lake.window import Window

STAGES = ("silver", "gold", "serve")


@dataclass(frozen=True)
class StepDone:
    """One asset of a running materialization has ended well."""

    asset: str
    seconds: float


@dataclass(frozen=True)
class CheckFailed:
    """A check of a running materialization found something; what was written is true all the same."""

    asset: str
    check: str
    violations: int
    games: tuple[str, ...]
    samples: tuple[str, ...]


class MaterializationFailed(TelemetryError):
    """A step or a blocking check failed; the message names it and where to look."""


def chosen_assets(select: str | None) -> list[dg.AssetKey]:
    """Assets that `select` (Dagster's selection syntax) names, or all daily ones."""
    from telemetry_platform.definitions import defs

    graph = defs().resolve_asset_graph()
    daily = dg.AssetSelection.groups(*STAGES)
    try:
        selection = daily & dg.AssetSelection.from_string(select) if select else daily
        keys = selection.resolve(graph)
    except dg.DagsterError as error:
        raise TelemetryError(f"--select {select!r} is not a selection of assets: {error}") from error
    if not keys:
        raise TelemetryError(f"--select {select!r} names no daily asset: try 'group:silver' or 'key:gold/daily_kpis'.")
    return sorted(keys)


def materialize_range(
    dagster_home: Path, window: Window, assets: Sequence[dg.AssetKey], report: Callable[[StepDone | CheckFailed], None]
) -> str:
    """Run `assets` over `window` as one range run and return its id; raises MaterializationFailed."""
    from telemetry_platform.definitions import defs

    days = list(window)
    run_id = str(uuid.uuid4())

    def follow(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.is_step_success:
            report(StepDone(event.step_key or "", event.step_success_data.duration_ms / 1000))
        if event is not None and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed:
                report(_failed(evaluation))

    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        instance.add_event_listener(run_id, follow)
        result = (
            defs()
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=instance,
                run_id=run_id,
                asset_selection=list(assets),
                tags={
                    "dagster/asset_partition_range_start": days[0].isoformat(),
                    "dagster/asset_partition_range_end": days[-1].isoformat(),
                },
                # The UI shows the run's log; the terminal shows progress.
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=False,
            )
        )
    failures = [
        f"{event.step_key}: {event.step_failure_data.error_display_string}"
        for event in result.all_events
        if event.is_step_failure
    ]
    if not result.success:
        raise MaterializationFailed(
            f"Run {result.run_id} of {window} failed: {'; '.join(failures) or 'see the run in the UI'}. "
            "The tables hold what they held before for the steps that did not finish; run it again once it is mended."
        )
    return result.run_id


def _failed(evaluation: dg.AssetCheckEvaluation) -> CheckFailed:
    found: dict[str, Any] = {name: value.value for name, value in evaluation.metadata.items()}
    return CheckFailed(
        evaluation.asset_key.to_user_string(),
        evaluation.check_name,
        int(found.get("violations", 0)),
        tuple(found.get("games", ())),
        tuple(sample for fault in found.get("faults", ()) for sample in fault["samples"]),
    )

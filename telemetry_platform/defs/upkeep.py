"""What keeps the lake and Dagster's own storage as large as what they hold: every night, after the closing run."""

import dagster as dg

from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.run_retention import delete_old_runs
from telemetry_platform.lake.maintenance import Upkeep, maintain
from telemetry_platform.settings import current_settings


@dg.op(description="Compaction, VACUUM and thinned snapshots; bronze is compacted by the stream that writes it.")
def keep_lake(context: dg.OpExecutionContext, lake: LakeResource) -> None:
    """Do for every table what is due; a table that fails does not keep the others from their turn."""
    failures = maintain(
        Upkeep.of(current_settings(), lambda: lake.open().spark), lambda done: context.log.info(done.summary)
    )
    if failures:
        raise dg.Failure("\n".join(failures))


@dg.op(description="Old runs whose work has been done again since, and the compute logs of all old runs.")
def keep_runs(context: dg.OpExecutionContext) -> None:
    """Delete what Dagster remembers of old runs and nobody needs."""
    context.log.info(delete_old_runs(context.instance, current_settings().run_days).summary)


@dg.job(description="Keeps the lake's files few and Dagster's storage small. `telemetry maintain` does the same.")
def upkeep() -> None:
    """Both are independent: neither waits for the other to succeed."""
    keep_lake()
    keep_runs()


@dg.schedule(
    job=upkeep,
    cron_schedule="30 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="After the closing run of 02:15 UTC.",
)
def nightly_upkeep(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask once a night; runs queue up behind each other, so it never meets a run that writes."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.date().isoformat())

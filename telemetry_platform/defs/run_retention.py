"""How long Dagster remembers a run.

Deleting a run deletes its materializations: the UI would show days as never materialized. So a run that last
materialized any partition stays, however old; today's tables are refreshed hundreds of times a day, and all but the
last of those runs go. Ticks of schedules and sensors are bounded in dagster.yaml.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from telemetry_platform.errors import TelemetryError

FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
PAGE = 500


@dataclass(frozen=True)
class Pruned:
    """Old runs that were deleted, those that stay, and of how many the compute logs were deleted."""

    deleted: int
    kept: int
    compute_logs: int

    @property
    def summary(self) -> str:
        """In one line."""
        return (
            f"{self.deleted} old runs deleted, {self.kept} kept as the last to materialize a partition, "
            f"compute logs of {self.compute_logs} deleted."
        )


def prune_at(dagster_home: Path, keep_days: int, *, is_dry_run: bool) -> Pruned:
    """`delete_old_runs` of the storage under `dagster_home`, for who is no run.

    Raises TelemetryError while a run is at work: it may be writing the tables that the caller is about to rewrite.
    """
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        working = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]), limit=1)
        if working and not is_dry_run:
            raise TelemetryError(
                f"Run {working[0].run_id} is at work, and a table has one writer: wait until it is done, or, when its "
                "process is gone, terminate it in the Dagster UI. With --dry-run nothing is written."
            )
        return delete_old_runs(instance, keep_days, is_dry_run=is_dry_run)


def delete_old_runs(instance: dg.DagsterInstance, keep_days: int, *, is_dry_run: bool = False) -> Pruned:
    """Delete finished runs older than `keep_days` whose materializations were all made again, and old compute logs."""
    before = datetime.now(UTC) - timedelta(days=keep_days)
    old = list(_finished_before(instance, before))
    newest = _newest_runs(instance) if old else set()
    deleted = logs = 0
    for run_id in old:
        logs += _delete_compute_logs(instance, run_id, is_dry_run=is_dry_run)
        if run_id not in newest:
            deleted += 1
            if not is_dry_run:
                _delete_run(instance, run_id)
    return Pruned(deleted, len(old) - deleted, logs)


def _finished_before(instance: dg.DagsterInstance, before: datetime) -> Iterator[str]:
    chosen = dg.RunsFilter(statuses=list(FINISHED), created_before=before)
    cursor = None
    while records := instance.get_run_records(chosen, limit=PAGE, cursor=cursor):
        for record in records:
            yield record.dagster_run.run_id
        cursor = records[-1].dagster_run.run_id


def _newest_runs(instance: dg.DagsterInstance) -> set[str]:
    """Runs that made the newest materialization of any partition of any asset, or of an asset without partitions."""
    runs: set[str] = set()
    for key in instance.all_asset_keys():
        event = instance.get_latest_materialization_event(key)
        if event is not None:
            runs.add(event.run_id)
        newest = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        ids = sorted(newest.values())
        for first in range(0, len(ids), PAGE):
            runs |= _runs_of(instance, key, ids[first : first + PAGE])
    return runs


def _runs_of(instance: dg.DagsterInstance, key: dg.AssetKey, storage_ids: Sequence[int]) -> set[str]:
    chosen = dg.AssetRecordsFilter(asset_key=key, storage_ids=storage_ids)
    return {record.run_id for record in instance.fetch_materializations(chosen, limit=PAGE).records}


def _delete_compute_logs(instance: dg.DagsterInstance, run_id: str, *, is_dry_run: bool) -> int:
    manager = instance.compute_log_manager
    if isinstance(manager, LocalComputeLogManager):
        folder = Path(manager.get_captured_local_path([run_id, "any"], "out")).parent
        if not folder.is_dir():
            return 0
    if not is_dry_run:
        manager.delete_logs(prefix=[run_id])
    return 1


def _delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.delete_run(run_id)
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        # Its rows are gone; the file of the run, with all its indexes, is not.
        Path(storage.path_for_shard(run_id)).unlink(missing_ok=True)

"""Old runs of a real Dagster storage: what is still the newest of a partition stays."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.run_request import InstigatorType

from telemetry_platform.defs.run_retention import delete_old_runs, prune_at
from telemetry_platform.errors import TelemetryError
from telemetry_platform.settings import PROJECT_ROOT

DAYS = dg.DailyPartitionsDefinition("2026-11-01")


@dg.asset(partitions_def=DAYS)
def table() -> None: ...


@dg.op
def nothing() -> None: ...


@dg.job
def no_asset() -> None:
    nothing()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    base = {"base_dir": str(tmp_path / "logs")}
    manager = {"module": "dagster.core.storage.local_compute_log_manager", "class": "LocalComputeLogManager"}
    storage = {"sqlite": {"base_dir": str(tmp_path / "storage")}}
    (tmp_path / "dagster.yaml").write_text(
        yaml.safe_dump(
            {"storage": storage, "compute_logs": manager | {"config": base}, "telemetry": {"enabled": False}}
        )
    )
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def materialize(instance: dg.DagsterInstance, day: str) -> str:
    return dg.materialize([table], instance=instance, partition_key=day).run_id


def materialized_days(instance: dg.DagsterInstance) -> set[str]:
    return instance.get_materialized_partitions(table.key)


def runs(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def test_a_run_whose_days_were_all_made_again_goes_and_no_day_is_forgotten(instance: dg.DagsterInstance, home: Path):
    first, second = materialize(instance, "2026-11-01"), materialize(instance, "2026-11-02")
    again, other = materialize(instance, "2026-11-01"), no_asset.execute_in_process(instance=instance).run_id
    shard = home / "storage" / "history" / "runs" / f"{first}.db"
    assert shard.exists()
    days = materialized_days(instance)

    told = delete_old_runs(instance, 0, is_dry_run=True)
    assert runs(instance) == {first, second, again, other}
    assert delete_old_runs(instance, 0) == told
    assert (told.deleted, told.kept, told.compute_logs) == (2, 2, 4)
    assert runs(instance) == {second, again}
    assert materialized_days(instance) == days == {"2026-11-01", "2026-11-02"}
    assert not shard.exists()
    assert list((home / "logs").glob("*/compute_logs/*")) == []
    pruned = delete_old_runs(instance, 0)
    assert (pruned.deleted, pruned.kept, pruned.compute_logs) == (0, 2, 0)


def test_runs_of_the_last_days_stay(instance: dg.DagsterInstance):
    for _ in range(2):
        materialize(instance, "2026-11-01")
    assert delete_old_runs(instance, 1).deleted == 0
    assert len(runs(instance)) == 2


def test_a_run_that_is_at_work_is_named_and_nothing_is_pruned_beside_it(instance: dg.DagsterInstance, home: Path):
    run = instance.create_run_for_job(no_asset, status=dg.DagsterRunStatus.STARTED)
    with pytest.raises(TelemetryError, match=run.run_id):
        prune_at(home, 90, is_dry_run=False)
    assert prune_at(home, 90, is_dry_run=True).deleted == 0


@pytest.mark.parametrize("name", ["dagster.yaml", "infra/docker/dagster.yaml"])
@pytest.mark.parametrize("kind", [InstigatorType.SCHEDULE, InstigatorType.SENSOR])
def test_no_tick_is_kept_for_ever(name: str, kind: InstigatorType, tmp_path: Path):
    retention = yaml.safe_load((PROJECT_ROOT / name).read_text())["retention"]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"retention": retention, "telemetry": {"enabled": False}}))
    with dg.DagsterInstance.from_config(str(tmp_path)) as configured:
        assert all(days > 0 for days in configured.get_tick_retention_settings(kind).values())

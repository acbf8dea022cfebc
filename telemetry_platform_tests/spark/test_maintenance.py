"""Upkeep of real Delta tables: fewer files, the same rows, and nothing to do the second time."""

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.lake.compaction import Policy, compact, is_sorted, partitions, piece_of, sort_partition
from telemetry_platform.lake.log import open_table, table_path
from telemetry_platform.lake.maintenance import Done, Upkeep
from telemetry_platform.lake.properties import log_properties, set_properties
from telemetry_platform.lake.tables import Lake
from telemetry_platform.settings import current_settings
from telemetry_platform_tests.builders import at, bronze_event, session, table

SESSIONS, SNAPSHOTS, BRONZE = TABLES["silver.sessions"], TABLES["gold.player_snapshots"], TABLES["bronze.events"]
TODAY = date(2026, 11, 27)
CLOSED = date(2026, 11, 1)
EAGER = Policy(least_files=2)


def upkeep(spark: SparkSession, lake: Path, **changes: Any) -> Upkeep:
    return replace(Upkeep(str(lake), lambda: spark, TODAY, vacuum_hours=168, snapshot_days=400), **changes)


def append(spark: SparkSession, lake: Path, to: Table, rows: Sequence[dict[str, Any]], *, files: int = 1) -> None:
    """Append rows in `files` files a partition."""
    Lake(str(lake), spark).ensure(to)
    frame = table(spark, to.name, rows).repartition(files)
    frame.write.format("delta").mode("append").save(table_path(str(lake), to.name))


def bronze(received: date, **values: Any) -> dict[str, Any]:
    return bronze_event(**values) | {"received_date": received}


def sessions(spark: SparkSession, lake: Path, day: date, *, files: int) -> None:
    rows = [session(at("10:00", day), session_key=f"{day}-{number}") for number in range(40)]
    append(spark, lake, SESSIONS, rows, files=files)


def files_of(lake: Path, to: Table) -> dict[str, int]:
    return {str(one.value(to.date_column)): len(one.sizes) for one in partitions(str(lake), to)}


def rows_in(lake: Path, to: Table) -> Counter[tuple[Any, ...]]:
    delta = open_table(str(lake), to.name)
    assert delta is not None
    found = delta.to_pyarrow_dataset().to_table(columns=to.schema.fieldNames())
    return Counter(zip(*(column.to_pylist() for column in found.columns), strict=True))


def newest_commit(lake: Path, to: Table) -> list[dict[str, Any]]:
    log = Path(table_path(str(lake), to.name)) / "_delta_log"
    return [json.loads(line) for line in max(log.glob("*.json")).read_text().splitlines()]


def version(lake: Path, to: Table) -> int:
    delta = open_table(str(lake), to.name)
    assert delta is not None
    return delta.version()


def test_closed_days_become_few_files_with_the_same_rows_and_open_days_are_left_alone(
    spark: SparkSession, tmp_path: Path
):
    for day in (CLOSED, TODAY):
        sessions(spark, tmp_path, day, files=12)
    rows = rows_in(tmp_path, SESSIONS)
    [done] = upkeep(spark, tmp_path).compact(SESSIONS)
    assert (done.action, done.files, done.files_added) == ("compact", 12, 1)
    assert files_of(tmp_path, SESSIONS) == {str(CLOSED): 1, str(TODAY): 12}
    assert rows_in(tmp_path, SESSIONS) == rows
    changes = [
        action
        for line in newest_commit(tmp_path, SESSIONS)
        for kind, action in line.items()
        if kind in ("add", "remove")
    ]
    assert len(changes) == 13
    assert not any(action["dataChange"] for action in changes)


def test_a_second_run_and_a_dry_run_change_nothing(spark: SparkSession, tmp_path: Path):
    sessions(spark, tmp_path, CLOSED, files=12)
    told = list(upkeep(spark, tmp_path, is_dry_run=True).run(SESSIONS))
    assert [one.action for one in told] == ["properties", "compact"]
    assert version(tmp_path, SESSIONS) == 1
    did = list(upkeep(spark, tmp_path).run(SESSIONS))
    assert [(one.action, one.files, one.bytes) for one in did] == [(one.action, one.files, one.bytes) for one in told]
    after = version(tmp_path, SESSIONS)
    assert list(upkeep(spark, tmp_path).run(SESSIONS)) == []
    assert version(tmp_path, SESSIONS) == after


def test_vacuum_removes_what_no_version_needs_and_commits_nothing(spark: SparkSession, tmp_path: Path):
    append(spark, tmp_path, BRONZE, [bronze(CLOSED) for _ in range(10)], files=5)
    [partition] = partitions(str(tmp_path), BRONZE)
    piece = piece_of(partition, EAGER)
    assert piece is not None
    compact(spark, str(tmp_path), BRONZE, piece, EAGER)
    set_properties(spark, str(tmp_path), BRONZE, log_properties(24))
    rows, before = rows_in(tmp_path, BRONZE), version(tmp_path, BRONZE)
    folder = Path(table_path(str(tmp_path), BRONZE.name))
    assert list(upkeep(spark, tmp_path).run(BRONZE)) == [], "they are younger than the policy"
    dry = list(upkeep(spark, tmp_path, vacuum_hours=0, is_dry_run=True).run(BRONZE))
    assert len(list(folder.rglob("received_date*/**/*.parquet"))) == 6
    assert list(upkeep(spark, tmp_path, vacuum_hours=0).run(BRONZE)) == dry
    assert [(one.action, one.files) for one in dry] == [("vacuum", 5)]
    assert dry[0].bytes > 0
    assert len(list(folder.rglob("received_date*/**/*.parquet"))) == 1
    assert version(tmp_path, BRONZE) == before
    assert rows_in(tmp_path, BRONZE) == rows


def test_old_snapshots_are_thinned_to_the_ends_of_months_and_the_newest_day_stays(spark: SparkSession, tmp_path: Path):
    days = [date(2025, 9, 28) + timedelta(days=number) for number in range(8)] + [TODAY - timedelta(days=400)]
    rows = [{"snapshot_date": day, "game_id": game, "player_id": "p"} for day in days for game in ("a", "b")]
    append(spark, tmp_path, SNAPSHOTS, rows)
    thinned = (days[0], days[1], *days[3:8])
    dry = list(upkeep(spark, tmp_path, is_dry_run=True).thin_snapshots())
    assert version(tmp_path, SNAPSHOTS) == 1
    assert (
        list(upkeep(spark, tmp_path).thin_snapshots())
        == dry
        == [Done(SNAPSHOTS.name, "thin", files=14, bytes=dry[0].bytes, days=thinned)]
    )
    assert set(files_of(tmp_path, SNAPSHOTS)) == {"2025-09-30", "2025-10-23"}
    assert list(upkeep(spark, tmp_path).thin_snapshots()) == []


@pytest.mark.parametrize(("bytes_", "files"), [(1, 10**6), (10**9, 2)])
def test_a_round_is_bounded_and_rounds_go_on_until_the_files_are_few(
    spark: SparkSession, tmp_path: Path, bytes_: int, files: int
):
    for number in range(5):
        rows = [bronze(CLOSED, properties="x" * 50 * (number + 1) ** 2)]
        append(spark, tmp_path, BRONZE, rows)
    policy = replace(EAGER, round_bytes=bytes_, round_files=files)
    rows, removed = rows_in(tmp_path, BRONZE), []
    while piece := piece_of(partitions(str(tmp_path), BRONZE)[0], policy):
        removed.append(compact(spark, str(tmp_path), BRONZE, piece, policy).removed)
    assert removed == [2, 2, 2, 2]
    assert rows_in(tmp_path, BRONZE) == rows


def test_a_late_partition_is_sorted_by_event_date_so_that_a_day_opens_few_files(spark: SparkSession, tmp_path: Path):
    days = [CLOSED - timedelta(days=number) for number in range(30)]
    rows = [bronze(CLOSED, event_date=day, arrival="late") for day in days]
    append(spark, tmp_path, BRONZE, rows, files=3)
    [before] = partitions(str(tmp_path), BRONZE, span_column="event_date")
    assert not is_sorted(before)
    kept = rows_in(tmp_path, BRONZE)
    small = replace(EAGER, target_bytes=sum(before.sizes) // 3)
    sort_partition(spark, str(tmp_path), BRONZE, before, small, by="event_date")
    [after] = partitions(str(tmp_path), BRONZE, span_column="event_date")
    assert len(after.sizes) > 1
    assert is_sorted(after)
    assert rows_in(tmp_path, BRONZE) == kept


def test_compaction_beside_appends_of_the_same_process_loses_and_doubles_nothing(spark: SparkSession, tmp_path: Path):
    def arrive() -> None:
        for _ in range(8):
            append(spark, tmp_path, BRONZE, [bronze(TODAY) for _ in range(5)])

    append(spark, tmp_path, BRONZE, [bronze(TODAY) for _ in range(5)], files=2)
    rounds = 0
    with ThreadPoolExecutor(1) as pool:
        arriving = pool.submit(arrive)
        while not arriving.done():
            piece = piece_of(partitions(str(tmp_path), BRONZE)[0], EAGER)
            if piece is not None:
                compact(spark, str(tmp_path), BRONZE, piece, EAGER)
                rounds += 1
        arriving.result()
    assert rounds > 1
    rows = rows_in(tmp_path, BRONZE)
    assert (rows.total(), len(rows)) == (45, 45)


def test_compaction_does_not_wake_the_sensor_that_refreshes_today(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from telemetry_platform.defs.bronze.events import bronze_growth

    monkeypatch.setenv("TELEMETRY_LAKE", str(tmp_path))
    current_settings.cache_clear()
    append(spark, tmp_path, BRONZE, [bronze(TODAY) for _ in range(9)], files=3)
    with dg.build_sensor_context() as first:
        asked = bronze_growth(first)
    assert isinstance(asked, dg.SensorResult)
    before = version(tmp_path, BRONZE)
    piece = piece_of(partitions(str(tmp_path), BRONZE)[0], EAGER)
    assert piece is not None
    compact(spark, str(tmp_path), BRONZE, piece, EAGER)
    assert version(tmp_path, BRONZE) > before
    with dg.build_sensor_context(cursor=asked.cursor) as second:
        assert isinstance(bronze_growth(second), dg.SkipReason)
    append(spark, tmp_path, BRONZE, [bronze(TODAY)])
    with dg.build_sensor_context(cursor=asked.cursor) as third:
        assert isinstance(bronze_growth(third), dg.SensorResult)
    current_settings.cache_clear()


def test_the_nightly_job_keeps_the_lake_and_dagsters_storage(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from telemetry_platform.definitions import defs

    monkeypatch.setenv("TELEMETRY_LAKE", str(tmp_path))
    current_settings.cache_clear()
    sessions(spark, tmp_path, CLOSED, files=12)
    job = defs().resolve_job_def("upkeep")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
    assert files_of(tmp_path, SESSIONS) == {str(CLOSED): 1}
    current_settings.cache_clear()

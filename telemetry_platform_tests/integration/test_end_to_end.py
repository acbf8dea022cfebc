"""Real input through every part: import, stream, materialize, sync, and the UI's own API."""

import gzip
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from telemetry_platform.cli.query import ask_lake, ask_warehouse
from telemetry_platform.lake.log import open_table
from telemetry_platform.local import stack
from telemetry_platform.settings import PROJECT_ROOT, Settings

WAVES = PROJECT_ROOT.parent / "shared" / "data" / "waves-2023-02.jsonl.gz"
EVENTS = [
    ("2023-02-01T10:00:00Z", "p-1", "session_start"),
    ("2023-02-01T10:20:00Z", "p-1", "heartbeat"),
    ("2023-02-03T23:50:00Z", "p-1", "session_start"),
    ("2023-02-04T00:10:00Z", "p-1", "heartbeat"),
    ("2023-02-03T12:00:00Z", "p-2", "session_start"),
]
RUN_SECONDS = 240


@dataclass(frozen=True)
class Lakehouse:
    """A home over the suite's broker and stand-in, with its collector running."""

    settings: Settings
    environment: dict[str, str]

    def telemetry(self, *arguments: str) -> str:
        program = str(Path(sys.executable).with_name("telemetry"))
        return self.run([program, *arguments])

    def run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, env=self.environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def lakehouse(stack_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    environment = os.environ | {
        "TELEMETRY_HOME": str(stack_settings.home),
        "TELEMETRY_JARS": str(stack_settings.jars_dir),
        "TELEMETRY_KAFKA": stack_settings.kafka,
        "TELEMETRY_COLLECTOR_PORT": str(stack_settings.collector_port),
        "TELEMETRY_WAREHOUSE_PORT": str(stack_settings.warehouse_port),
        "TELEMETRY_DAGSTER_PORT": str(stack_settings.dagster_port),
        "TELEMETRY_BRONZE_METRICS_PORT": str(stack_settings.bronze_metrics_port),
    }
    stack.up(stack_settings, without=frozenset({"warehouse", "bronze", "dagster"}))
    made = Lakehouse(stack_settings, environment)
    folder = tmp_path_factory.mktemp("input")
    for game in ("small", "waves"):
        made.telemetry("games", "add", game)
    file = folder / "small.jsonl.gz"
    with gzip.open(file, "wt") as lines:
        for number, (created, player, name) in enumerate(EVENTS):
            event = {
                "event_id": f"00000000-0000-4000-8000-{number:012d}",
                "event_name": name,
                "event_version": 1,
                "created_ts": created,
                "player_id": player,
            }
            lines.write(f"{json.dumps(event)}\n")
    made.telemetry("import", str(file), "--game", "small")
    for _ in range(2 if WAVES.exists() else 0):
        counts = json.loads(made.telemetry("import", str(WAVES), "--game", "waves", "--json"))
        assert (counts["read"], counts["accepted"]) == (10_000, 10_000)
    made.run([sys.executable, "-m", "streaming.bronze_events", "--once"])
    made.telemetry("materialize", "--from", "2023-02-01", "--to", "2023-02-26")
    yield made
    stack.down(stack_settings)


def kpis(ask: Any, settings: Settings, game: str) -> dict[str, tuple]:
    _, rows = ask(
        settings,
        "SELECT event_date, dau, sessions, playtime_seconds, new_players FROM gold.daily_kpis "
        f"WHERE game_id = '{game}' AND segment = 'all' ORDER BY 1",
    )
    return {str(row[0]): tuple(row[1:]) for row in rows}


@pytest.mark.parametrize("ask", [ask_lake, ask_warehouse])
def test_imported_events_are_the_days_they_happened_on(lakehouse: Lakehouse, ask: Any):
    found = kpis(ask, lakehouse.settings, "small")
    assert found["2023-02-01"] == (1, 1, 1200.0, 1)
    assert found["2023-02-02"] == (0, 0, 0.0, 0)
    # The session across midnight belongs to the day it starts on, whole; both days are active days.
    assert found["2023-02-03"] == (2, 2, 1200.0, 1)
    assert found["2023-02-04"] == (1, 0, 0.0, 0)
    assert found["2023-02-26"] == (0, 0, 0.0, 0)


@needs_waves
@pytest.mark.parametrize("ask", [ask_lake, ask_warehouse])
def test_a_real_game_imported_twice_has_exactly_the_numbers_counted_without_this_product(
    lakehouse: Lakehouse, ask: Any
):
    expected = json.loads(WAVES.with_name("waves-2023-02.expected.json").read_text())
    found = kpis(ask, lakehouse.settings, "waves")
    assert {day: row[0] for day, row in found.items() if row[0]} == expected["dau"]
    assert {day: row[1] for day, row in found.items() if row[1]} == expected["sessions_by_start_date"]
    _, rows = ask(
        lakehouse.settings,
        "SELECT count(*), sum(duration_seconds) FROM silver.sessions WHERE game_id = 'waves'",
    )
    assert rows[0][0] == expected["sessions"]
    assert float(rows[0][1]) == pytest.approx(expected["session_seconds_total"], abs=1e-6)
    _, rows = ask(lakehouse.settings, "SELECT count(*) FROM silver.events WHERE game_id = 'waves'")
    assert rows[0][0] == expected["events"]


LAUNCH = """
mutation ($run: ExecutionParams!) {
  launchPipelineExecution(executionParams: $run) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
BACKFILL = """
mutation ($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
RUN = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
BACKFILL_RUNS = """
query ($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { runId status } } } }
"""
BACKFILL_STATE = """
query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status runs: unfinishedRuns { runId } numPartitions }
} }
"""
SELECTOR = {"repositoryLocationName": "telemetry_platform", "repositoryName": "__repository__"}
ASSETS = [
    ["silver", "events"],
    ["silver", "sessions"],
    ["silver", "player_days"],
    ["gold", "player_snapshots"],
    ["gold", "daily_kpis"],
    ["serve", "daily_kpis"],
]


def graphql(url: str, query: str, **variables: Any) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        said = json.load(answer)
    assert "errors" not in said, said
    return next(iter(said["data"].values()))


def wait_until_done(ask: Any, lakehouse: Lakehouse) -> str:
    deadline = time.monotonic() + RUN_SECONDS
    status = ask()
    while not (status.startswith("COMPLETED") or status in {"SUCCESS", "FAILURE", "CANCELED", "FAILED"}):
        if time.monotonic() > deadline:
            log = stack.log_path(lakehouse.settings, "dagster").read_text()[-4000:]
            pytest.fail(f"still {status} after {RUN_SECONDS} s; dagster said:\n{log}")
        time.sleep(0.5)
        status = ask()
    return status


@pytest.fixture(scope="module")
def dagster_url(lakehouse: Lakehouse) -> str:
    stack.up(lakehouse.settings, without=frozenset({"warehouse", "bronze"}))
    return lakehouse.settings.dagster_url


def test_one_partition_materializes_from_the_ui(lakehouse: Lakehouse, dagster_url: str):
    launched = graphql(
        dagster_url,
        LAUNCH,
        run={
            "selector": SELECTOR
            | {"pipelineName": "__ASSET_JOB", "assetSelection": [{"path": path} for path in ASSETS]},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "2023-02-05"}]},
            "mode": "default",
        },
    )
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    status = wait_until_done(lambda: graphql(dagster_url, RUN, id=run_id)["status"], lakehouse)
    assert status == "SUCCESS", stack.log_path(lakehouse.settings, "dagster").read_text()[-4000:]


def versions(settings: Settings) -> dict[str, int]:
    names = [".".join(path) for path in ASSETS if path[0] != "serve"]
    tables = {name: open_table(settings.lake, name) for name in names}
    return {name: table.version() for name, table in tables.items() if table is not None}


def test_a_backfill_of_seven_days_from_the_ui_is_one_run_and_one_commit_a_table(lakehouse: Lakehouse, dagster_url: str):
    before, versions_before = kpis(ask_lake, lakehouse.settings, "small"), versions(lakehouse.settings)
    days = [f"2023-02-{day:02d}" for day in range(1, 8)]
    launched = graphql(
        dagster_url,
        BACKFILL,
        backfill={"partitionNames": days, "assetSelection": [{"path": path} for path in ASSETS]},
    )
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    backfill = launched["backfillId"]
    status = wait_until_done(lambda: graphql(dagster_url, BACKFILL_STATE, id=backfill)["status"], lakehouse)
    assert status == "COMPLETED_SUCCESS", stack.log_path(lakehouse.settings, "dagster").read_text()[-4000:]
    runs = graphql(dagster_url, BACKFILL_RUNS, filter={"tags": [{"key": "dagster/backfill", "value": backfill}]})
    assert [run["status"] for run in runs["results"]] == ["SUCCESS"]
    assert versions(lakehouse.settings) == {name: version + 1 for name, version in versions_before.items()}
    assert kpis(ask_lake, lakehouse.settings, "small") == before

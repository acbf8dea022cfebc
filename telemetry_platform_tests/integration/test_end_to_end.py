"""Real input through every part: import, stream, materialize, sync, and the UI's own API."""

import gzip
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from telemetry_platform.cli.query import ask_lake, ask_warehouse
from telemetry_platform.lake.log import open_table
from telemetry_platform.local import stack
from telemetry_platform.settings import PROJECT_ROOT, Settings
from telemetry_platform_tests.integration.case_files import CASES, Outcomes, import_cases
from telemetry_platform_tests.shared_inputs import SHARED, shared_file

WAVES = SHARED / "data" / "waves-2023-02.jsonl.gz"
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
    cases: Outcomes = field(default_factory=dict)

    def telemetry(self, *arguments: str) -> str:
        return self.succeed([str(Path(sys.executable).with_name("telemetry")), *arguments])

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run([str(Path(sys.executable).with_name("telemetry")), *arguments])

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
        )

    def succeed(self, command: list[str]) -> str:
        done = self._run(command)
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
    made.cases.update(import_cases(made.run, folder))
    made.succeed([sys.executable, "-m", "streaming.bronze_events", "--once"])
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


@pytest.mark.parametrize("ask", [ask_lake, ask_warehouse])
def test_a_real_game_imported_twice_has_exactly_the_numbers_counted_without_this_product(
    lakehouse: Lakehouse, ask: Any
):
    expected = json.loads(shared_file("data/waves-2023-02.expected.json").read_text())
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


@pytest.mark.parametrize(
    ("name", "status", "accepted", "rejected"),
    [
        ("zst_whole.jsonl.zst", 0, 3, {}),
        ("zst_frames.jsonl.zst", 0, 3, {}),
        ("zst_cut.jsonl.zst", 1, 0, {}),
        ("byte_order_mark.jsonl", 0, 3, {}),
        ("decimal_integers.parquet", 0, 3, {}),
        ("far_timestamp.parquet", 0, 2, {"schema_violation": 1}),
        ("server_event_last.jsonl", 0, 2, {}),
        ("clan_tags.jsonl", 0, 3, {}),
        ("separator_in_ids.jsonl", 0, 2, {}),
        ("huge_purchases.jsonl", 1, 0, {"amount_out_of_range": 101}),
        ("numeric_game_id.jsonl", 0, 1, {}),
    ],
)
def test_a_file_that_once_gave_a_wrong_answer_is_taken_as_it_should_be_up_to_silver(
    lakehouse: Lakehouse, name: str, status: int, accepted: int, rejected: dict[str, int]
):
    shared_file(f"cases/{name}")
    found_status, counts = lakehouse.cases[name]
    assert (found_status, counts["accepted"], counts["rejected"]) == (status, accepted, rejected), counts
    game = next(game for file, game, _ in CASES if file == name)
    _, rows = ask_lake(lakehouse.settings, f"SELECT count(*) FROM silver.events WHERE game_id = '{game}'")
    assert rows == [(accepted,)]
    if name == "zst_cut.jsonl.zst":
        assert "cannot be read to its end" in counts["error"]


def test_what_once_gave_a_wrong_number_gives_the_right_one(lakehouse: Lakehouse):
    shared_file("cases/server_event_last.jsonl")

    def ask(statement: str) -> list[tuple]:
        return ask_lake(lakehouse.settings, statement)[1]

    day = "game_id = 'case_server' AND event_date = DATE'2023-02-03'"
    found = dict(ask(f"SELECT segment || ' ' || segment_value, dau FROM gold.daily_kpis WHERE {day}"))
    assert found == {"all all": 1, "platform ios": 1, "country DE": 1, "build_version 1.4.2": 1}
    revenue = f"SELECT revenue FROM gold.daily_kpis WHERE {day} AND segment = 'build_version'"
    assert ask(revenue) == [(Decimal("4.990000"),)]
    keys = "SELECT count(*), count(DISTINCT session_key) FROM silver.sessions WHERE game_id = 'case_separator'"
    assert ask(keys) == [(2, 2)]
    levels = "SELECT properties FROM silver.events WHERE game_id = 'case_decimals' ORDER BY created_ts"
    assert [json.loads(row[0])["level_index"] for row in ask(levels)] == [0, 1, 2]
    assert ask("SELECT count(*) FROM gold.daily_kpis WHERE game_id = 'case_huge'") == [(0,)]
    listed = {row["game_id"]: row for row in json.loads(lakehouse.telemetry("games", "list", "--json"))}
    assert listed["2048"]["name"] == "2048"
    for command in ("lake", "sql"):
        shown = lakehouse.telemetry(command, "SELECT player_id FROM silver.events WHERE game_id = 'case_tags'")
        assert all(name in shown for name in ("[tw]Bob", "[/b]Eve", "[bold red]Mia[/]"))


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

"""`telemetry maintain` as a user calls it; what it would do needs no JVM."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from telemetry_platform.settings import PROJECT_ROOT

PROGRAM = [sys.executable, "-c", "from telemetry_platform.cli.main import app; app()", "maintain"]
CLOSED = date(2024, 5, 4)


def maintain(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Without Java a JVM that was started after all would be an error.
    environment = {**os.environ, "TELEMETRY_HOME": str(home), "JAVA_HOME": str(home / "no java")}
    return subprocess.run(
        [*PROGRAM, *arguments], env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )


def test_a_dry_run_lists_what_is_due_and_changes_nothing(tmp_path: Path):
    path = f"{tmp_path}/lake/gold/player_snapshots"
    today = datetime.now(UTC).date()
    for day in [CLOSED] * 8 + [today - timedelta(days=1), today]:
        rows = pa.table({"snapshot_date": [day], "game_id": ["g"], "player_id": ["p"]})
        write_deltalake(path, rows, mode="append", partition_by=["snapshot_date", "game_id"])
    version = DeltaTable(path).version()
    done = maintain(tmp_path, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["is_dry_run"] is True
    assert [(one["action"], one["files"], one["days"]) for one in said["tables"]] == [
        ("properties", 0, []),
        ("thin", 8, [str(CLOSED)]),
        ("compact", 8, []),
    ]
    assert DeltaTable(path).version() == version
    assert "would: gold.player_snapshots: delete 1 snapshots" in maintain(tmp_path, "--dry-run").stdout


def test_a_lake_without_tables_needs_nothing(tmp_path: Path):
    done = maintain(tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "The lake needs nothing.")

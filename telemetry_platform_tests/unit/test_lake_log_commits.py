"""The log's own actions, read without a JVM: commits after a version, and the files there are now."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from telemetry_platform.errors import LakeError, LogTruncated
from telemetry_platform.lake.log import commits_since, current_files

NAME = "silver.days"


@pytest.fixture(params=["{}", "file://{}"], ids=["path", "store"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    (tmp_path / "silver").mkdir()
    return request.param.format(tmp_path)


def append(lake: str, days: list[int], game: str = "g", mode: str = "append") -> DeltaTable:
    address = f"{lake}/{NAME.replace('.', '/')}"
    rows = pa.table(
        {
            "event_date": pa.array([date(2024, 3, day) for day in days], pa.date32()),
            "game_id": pa.array([game] * len(days)),
            "level": pa.array(range(len(days)), pa.int64()),
        }
    )
    write_deltalake(address, rows, partition_by=["event_date", "game_id"], mode=mode)
    return DeltaTable(address)


def test_each_commit_after_a_version_says_what_it_added_and_by_what(lake: str):
    append(lake, [1])
    append(lake, [2, 2, 3])
    (commit,) = commits_since(lake, NAME, 0, columns=("level",))
    assert (commit.version, commit.operation, commit.is_data_change) == (1, "WRITE", True)
    files = sorted(commit.added, key=lambda file: file.partition_values["event_date"] or "")
    assert [(f.partition_values, f.num_records, f.min_values, f.max_values, f.null_count) for f in files] == [
        ({"event_date": "2024-03-02", "game_id": "g"}, 2, {"level": 0}, {"level": 1}, {"level": 0}),
        ({"event_date": "2024-03-03", "game_id": "g"}, 1, {"level": 2}, {"level": 2}, {"level": 0}),
    ]
    assert [commit.version for commit in commits_since(lake, NAME, -1)] == [0, 1]
    assert list(commits_since(lake, NAME, 1)) == []


def test_compaction_is_no_data_change_and_its_removed_files_are_named(lake: str):
    append(lake, [1])
    before = {file.path for file in current_files(lake, NAME)[2]}
    table = append(lake, [1])
    before |= {file.path for file in current_files(lake, NAME)[2]}
    table.optimize.compact()
    (commit,) = commits_since(lake, NAME, 1)
    assert (commit.operation, commit.is_data_change) == ("OPTIMIZE", False)
    assert set(commit.removed_paths) == before
    assert [(file.num_records, file.is_data_change) for file in commit.added] == [(2, False)]


@pytest.mark.parametrize("gone", [1, 2])
def test_a_commit_that_was_cleaned_up_is_missed(tmp_path: Path, gone: int):
    for day in (1, 2, 3, 4):
        append(str(tmp_path), [day])
    for version in range(gone + 1):
        (tmp_path / f"silver/days/_delta_log/{version:020}.json").unlink()
    with pytest.raises(LogTruncated, match="the commits after version 0 are no longer in the log"):
        list(commits_since(str(tmp_path), NAME, 0))


def test_a_version_the_table_never_had_is_an_error_and_no_quiet_end(lake: str):
    append(lake, [1])
    with pytest.raises(LogTruncated):
        list(commits_since(lake, NAME, 7))


def test_nothing_follows_a_checkpoint_whose_own_commit_was_cleaned_up(tmp_path: Path):
    append(str(tmp_path), [1]).create_checkpoint()
    (tmp_path / "silver/days/_delta_log/00000000000000000000.json").unlink()
    assert list(commits_since(str(tmp_path), NAME, 0)) == []
    with pytest.raises(LogTruncated):
        list(commits_since(str(tmp_path), NAME, -1))


@pytest.mark.parametrize("checkpoint_at", [None, 1, 2, 3])
@pytest.mark.parametrize("has_pointer", [True, False])
def test_the_current_files_are_those_delta_rs_sees(lake: str, checkpoint_at: int | None, has_pointer: bool):
    steps = [
        lambda: append(lake, [1, 2], "a"),
        lambda: append(lake, [1, 3], "b"),
        lambda: append(lake, [4], "ü :%/", mode="overwrite"),
        lambda: append(lake, [4, 4], "c"),
    ]
    for version, step in enumerate(steps):
        table = step()
        if version == checkpoint_at:
            table.create_checkpoint()
    log = Path(table.table_uri.removeprefix("file://")) / "_delta_log"
    if not has_pointer:
        (log / "_last_checkpoint").unlink(missing_ok=True)
    if checkpoint_at is not None:
        for version in range(checkpoint_at + 1):
            (log / f"{version:020}.json").unlink()
    version, table_id, files = current_files(lake, NAME, columns=("level",))
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    assert (version, table_id) == (3, str(table.metadata().id))
    assert sorted((f.path, f.num_records, f.min_values["level"]) for f in files) == sorted(
        (action["path"], action["num_records"], action["min.level"]) for action in actions
    )
    assert {f.partition_values["game_id"] for f in files} == {"ü :%/", "c"}


def test_a_table_never_written_is_said_to_be_missing(lake: str):
    with pytest.raises(LakeError, match=r"silver\.days does not exist yet"):
        current_files(lake, NAME)
    with pytest.raises(LakeError):
        list(commits_since(lake, NAME, -1))

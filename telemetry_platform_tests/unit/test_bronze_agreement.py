"""Table and checkpoint that do not fit together: hand-made checkpoints, tables written by delta-rs."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from streaming.agreement import require_agreement
from streaming.checkpoint import (
    Rewound,
    checkpoint_of,
    read_checkpoint,
    set_aside,
    write_newest_direct,
    write_rewound,
)
from telemetry_platform.errors import LakeError
from telemetry_platform.lake.log import table_path
from telemetry_platform.settings import EVENTS_TOPIC, Settings, read_settings

QUERY = "5c9b4c5e-0000-4000-8000-000000000001"
PER_BATCH = 100


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"TELEMETRY_HOME": str(tmp_path)})


def write_checkpoint(settings: Settings, *, committed: int, planned: int | None = None, first: int = 0) -> None:
    """A checkpoint as Spark leaves it; batch N ends at (N + 1) * PER_BATCH in partition 0, and takes none of 1."""
    root = Path(checkpoint_of(settings))
    for folder in ("commits", "offsets"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "metadata").write_text(json.dumps({"id": QUERY}))
    for batch in range(first, (committed if planned is None else planned) + 1):
        offsets = {EVENTS_TOPIC: {"0": (batch + 1) * PER_BATCH, "1": 7}}
        (root / "offsets" / str(batch)).write_text(f"v1\n{{}}\n{json.dumps(offsets)}")
    for batch in range(first, committed + 1):
        (root / "commits" / str(batch)).write_text('v1\n{"nextBatchWatermarkMs":0}')


def write_batch(settings: Settings, batch: int, *, writer: str = QUERY, rows: int = 1) -> None:
    """One commit of the stream, with its transaction, empty when `rows` is 0."""
    write_deltalake(
        table_path(settings.lake, "bronze.events"),
        pa.table({"kafka_offset": pa.array(range(rows), pa.int64())}),
        mode="append",
        commit_properties=CommitProperties(app_transactions=[Transaction(writer, batch)]),
    )


def write_batches(settings: Settings, newest: int) -> None:
    create_table(settings)
    for batch in range(newest + 1):
        write_batch(settings, batch)


def create_table(settings: Settings) -> None:
    write_deltalake(
        table_path(settings.lake, "bronze.events"), pa.table({"kafka_offset": pa.array([], pa.int64())}), mode="append"
    )


def refusal(settings: Settings) -> str:
    with pytest.raises(LakeError) as caught:
        require_agreement(settings)
    assert "python -m streaming.rewind" in str(caught.value)
    return str(caught.value)


def test_a_first_start_fits_whether_or_not_the_table_was_made(settings: Settings):
    require_agreement(settings)
    create_table(settings)
    require_agreement(settings)


@pytest.mark.parametrize(("newest", "committed", "planned"), [(3, 3, 3), (4, 3, 4), (3, 3, 4), (0, -1, 0)])
def test_the_newest_commit_and_the_one_after_a_kill_fit(settings: Settings, newest: int, committed: int, planned: int):
    write_batches(settings, newest)
    write_checkpoint(settings, committed=committed, planned=planned)
    require_agreement(settings)


def test_a_batch_without_rows_counts(settings: Settings):
    write_batches(settings, 2)
    write_batch(settings, 3, rows=0)
    write_checkpoint(settings, committed=3)
    require_agreement(settings)


def test_a_process_killed_before_its_first_batch_was_written_may_start_again(settings: Settings):
    create_table(settings)
    write_checkpoint(settings, committed=-1, planned=0)
    require_agreement(settings)


def test_a_compaction_after_the_newest_batch_changes_nothing(settings: Settings):
    write_batches(settings, 3)
    DeltaTable(table_path(settings.lake, "bronze.events")).optimize.compact()
    write_checkpoint(settings, committed=3)
    require_agreement(settings)


def test_a_table_from_an_older_backup_is_refused_with_both_numbers_and_the_lost_offsets(settings: Settings):
    write_batches(settings, 2)
    write_checkpoint(settings, committed=5)
    said = refusal(settings)
    assert "the table's newest batch is 2, and the checkpoint has committed 5" in said
    assert f"would lose {EVENTS_TOPIC}-0@300..599." in said


def test_a_backup_older_than_the_batches_a_checkpoint_keeps_is_refused_too(settings: Settings):
    write_batches(settings, 2)
    write_checkpoint(settings, committed=150, first=50)
    said = refusal(settings)
    assert "newest batch is 2, and the checkpoint has committed 150" in said
    assert f"records up to {EVENTS_TOPIC}-0@15100, {EVENTS_TOPIC}-1@7" in said


@pytest.mark.parametrize(
    ("committed", "planned", "offsets"),
    [(1, 4, f"{EVENTS_TOPIC}-0@200..499"), (1, 1, "-0@200, "), (3, 3, "-0@400, "), (-1, -1, "the first one")],
)
def test_a_checkpoint_from_an_older_backup_is_refused(settings: Settings, committed: int, planned: int, offsets: str):
    write_batches(settings, 4)
    write_checkpoint(settings, committed=committed, planned=planned)
    said = refusal(settings)
    assert f"the table's newest batch is 4, and the checkpoint has committed {committed}" in said
    assert offsets in said


def test_a_removed_table_is_refused_with_the_offsets_it_had(settings: Settings):
    write_batches(settings, 2)
    shutil.rmtree(table_path(settings.lake, "bronze.events"))
    write_checkpoint(settings, committed=2)
    said = refusal(settings)
    assert "has committed batch 2, and the table is not there" in said
    assert f"before {EVENTS_TOPIC}-0@300, {EVENTS_TOPIC}-1@7" in said


@pytest.mark.parametrize("has_rows", [True, False])
def test_a_checkpoint_of_another_lake_is_refused(settings: Settings, has_rows: bool):
    create_table(settings)
    if has_rows:
        write_batch(settings, 2, writer="another query")
    write_checkpoint(settings, committed=2)
    assert f"the table has no batch of its query {QUERY}" in refusal(settings)


@pytest.mark.parametrize("is_planned", [True, False])
def test_a_lost_checkpoint_is_refused_also_when_a_new_one_was_begun(settings: Settings, is_planned: bool):
    create_table(settings)
    write_batch(settings, 2, writer="another query")
    if is_planned:
        write_checkpoint(settings, committed=-1, planned=0)
    assert "would write every Kafka record again" in refusal(settings)


def test_a_checkpoint_that_names_no_query_is_refused(settings: Settings):
    write_batches(settings, 2)
    write_checkpoint(settings, committed=2)
    (Path(checkpoint_of(settings)) / "metadata").unlink()
    assert "its file `metadata` is missing" in refusal(settings)


def test_a_table_cut_between_the_two_commits_of_a_batch_is_refused(settings: Settings):
    write_batches(settings, 3)
    write_batch(settings, 1, writer=f"{QUERY}.direct")
    write_checkpoint(settings, committed=3)
    write_newest_direct(checkpoint_of(settings), 1)
    require_agreement(settings)

    write_newest_direct(checkpoint_of(settings), 3)
    assert "newest batch of direct records is 1, and the checkpoint knows of 3" in refusal(settings)


def test_a_table_taken_back_by_restore_is_refused_because_its_transactions_stay(settings: Settings):
    write_batches(settings, 3)
    table = DeltaTable(table_path(settings.lake, "bronze.events"))
    table.restore(2)
    write_checkpoint(settings, committed=3)
    assert table.transaction_version(QUERY) == 3
    assert f"taken back by RESTORE in version {table.version()}" in refusal(settings)
    write_batch(settings, 4)
    write_checkpoint(settings, committed=4)
    require_agreement(settings)


def test_a_rewound_checkpoint_fits_the_table_it_was_made_for_and_no_older_one(settings: Settings):
    create_table(settings)
    write_batch(settings, 2, writer="another query")
    version = DeltaTable(table_path(settings.lake, "bronze.events")).version()
    offsets = {EVENTS_TOPIC: {0: 300, 1: 7}}
    write_rewound(checkpoint_of(settings), Rewound(offsets, version))
    found = read_checkpoint(checkpoint_of(settings))
    assert found is not None
    assert found.rewound == Rewound(offsets, version)
    require_agreement(settings)
    write_rewound(checkpoint_of(settings), Rewound(offsets, version + 1))
    assert f"rewound for version {version + 1} of the table, which is at version {version}" in refusal(settings)


def test_a_checkpoint_is_set_aside_under_a_name_that_is_free(settings: Settings):
    assert set_aside(checkpoint_of(settings)) is None
    for number in (1, 2):
        write_checkpoint(settings, committed=number)
        aside = set_aside(checkpoint_of(settings))
        assert aside is not None
        assert aside == f"{checkpoint_of(settings)}.before-rewind-{number}"
        assert not Path(checkpoint_of(settings)).exists()
        assert (Path(aside) / "commits" / str(number)).exists()

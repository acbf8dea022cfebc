"""A lake whose table was restored from a backup, with the job as a real process against a real broker."""

import json
import shutil
from pathlib import Path

import pytest

from telemetry_platform.lake.log import open_table, table_path
from telemetry_platform.settings import EVENTS_TOPIC, Settings, read_settings
from telemetry_platform_tests.integration.bronze_job import (
    DEADLINE_SECONDS,
    Topic,
    assert_each_offset_once,
    direct,
    environment_on,
    is_caught_up,
    progress_of,
    run_job,
    stamped,
)


@pytest.fixture(scope="module")
def environment(stack_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A lake of the module's own over the shared broker."""
    return environment_on(stack_settings, tmp_path_factory.mktemp("stream"))


def cut_newest_commit(table: Path) -> int:
    """Take the newest commit off a copy of a table, as a backup made between two commits would; the one before it."""
    log = table / "_delta_log"
    newest = max(int(path.stem) for path in log.glob("*.json"))
    for path in log.glob(f"*{newest:020d}.*"):
        path.unlink()
    (log / "_last_checkpoint").unlink(missing_ok=True)
    return newest - 1


def test_a_table_from_an_older_backup_is_refused_and_the_way_out_brings_every_record_back_exactly_once(
    environment: dict[str, str], tmp_path: Path
):
    settings = read_settings(environment)
    topic, log = Topic(settings), tmp_path / "job.log"
    table = Path(table_path(settings.lake, "bronze.events"))
    for number in range(400):
        topic.signed(stamped(number))
        if number % 4 == 0:
            topic.raw(json.dumps(direct()).encode())
    topic.flush()
    assert run_job(environment, log, "--once").wait(DEADLINE_SECONDS) == 0, log.read_text()[-3000:]
    backed_up = progress_of(settings).batch_id
    # The batch's direct records are its second commit, and the backup has only the first.
    shutil.copytree(table, tmp_path / "backup")
    version = cut_newest_commit(tmp_path / "backup")
    for number in range(200):
        topic.signed(stamped(number))
    topic.flush()
    assert run_job(environment, log, "--once").wait(DEADLINE_SECONDS) == 0, log.read_text()[-3000:]
    ahead = progress_of(settings).batch_id
    assert ahead > backed_up

    shutil.rmtree(table)
    shutil.copytree(tmp_path / "backup", table)
    refused = tmp_path / "refused.log"
    assert run_job(environment, refused, "--once").wait(DEADLINE_SECONDS) == 1
    assert f"newest batch is {backed_up}, and the checkpoint has committed {ahead}" in refused.read_text()
    assert f"would lose {EVENTS_TOPIC}-" in refused.read_text()
    opened = open_table(settings.lake, "bronze.events")
    assert opened is not None
    assert opened.version() == version

    rewound = run_job(environment, log, "--yes", module="streaming.rewind")
    assert rewound.wait(DEADLINE_SECONDS) == 0, log.read_text()[-3000:]
    assert "are removed and read again" in log.read_text()
    assert run_job(environment, log, "--once").wait(DEADLINE_SECONDS) == 0, log.read_text()[-3000:]
    assert is_caught_up(settings)
    assert_each_offset_once(settings)

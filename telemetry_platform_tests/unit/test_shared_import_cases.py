"""The shared cases of `telemetry import`: files as others' tools write them, with their right counts."""

import csv
import json
from pathlib import Path

import pytest

from telemetry_platform.cli.imports import validate_file
from telemetry_platform.settings import read_settings
from telemetry_platform_tests.shared_inputs import shared_file
from telemetry_platform_tests.unit.test_docs import map_log


@pytest.mark.parametrize(
    ("name", "read", "ends_early"),
    [
        ("zst_whole.jsonl.zst", 3, False),
        ("zst_frames.jsonl.zst", 3, False),
        ("byte_order_mark.jsonl", 3, False),
        ("clan_tags.jsonl", 3, False),
        ("zst_cut.jsonl.zst", 0, True),
    ],
)
def test_every_event_that_is_whole_is_accepted(name: str, read: int, ends_early: bool, tmp_path: Path):
    file = shared_file(f"cases/{name}")
    summary = validate_file(read_settings({"TELEMETRY_HOME": str(tmp_path)}), file, "my_game")
    assert (summary.read, summary.accepted, summary.rejected) == (read, read, {})
    assert (summary.error is not None and "cannot be read to its end" in summary.error) == ends_early


@pytest.mark.parametrize("language", ["python", "sql"])
def test_the_documented_mappings_write_yen_and_dinars_in_their_minor_units(language: str, tmp_path: Path):
    log = shared_file("cases/yen_in_old_log.csv").read_text()
    events = map_log(language, tmp_path, log)
    assert len(list(csv.DictReader(log.splitlines()))) == len(events)
    assert [one["properties"]["price_minor"] for one in events] == [499, 499, 499], json.dumps(events)

"""What the documentation says can be done to a foreign log."""

import json
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import duckdb
import pytest

from telemetry_platform.cli.imports import validate_file
from telemetry_platform.collector import metrics
from telemetry_platform.collector.error_types import EVENT_MEANINGS, REQUEST_MEANINGS
from telemetry_platform.contracts.currencies import WITH_FOUR_DECIMALS, WITH_THREE_DECIMALS, WITHOUT_DECIMALS
from telemetry_platform.settings import LIMIT_VARIABLES, PROJECT_ROOT, Limits, read_settings

IMPORT = (PROJECT_ROOT / "docs" / "import.md").read_text()

COLLECTOR = (PROJECT_ROOT / "docs" / "collector.md").read_text()


def test_every_error_type_is_documented_with_what_it_means_and_no_other_is():
    documented = dict(re.findall(r"^\| `([a-z_]+)` \| (\d{3}: .*) \|$", COLLECTOR, re.MULTILINE))
    assert documented == REQUEST_MEANINGS
    events = dict(re.findall(r"^\| `(?!telemetry_)([a-z_]+)` \| (?!\d{3}: )(.*) \|$", COLLECTOR, re.MULTILINE))
    assert events == EVENT_MEANINGS


@pytest.mark.parametrize(("limit", "variable"), LIMIT_VARIABLES.items())
def test_every_limit_is_documented_with_its_default(limit: str, variable: str):
    assert f"| `{variable}` | {getattr(Limits, limit)} |" in COLLECTOR


def test_every_metric_of_the_collector_is_documented():
    for name, metric in vars(metrics).items():
        if name.isupper():
            (family,) = metric.describe()
            tail = family.name.removeprefix("telemetry_collector")
            assert f"telemetry_collector{tail}" in COLLECTOR or f"`{tail}`" in COLLECTOR, family.name


def fenced(language: str) -> str:
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", IMPORT, re.MULTILINE | re.DOTALL)
    return block


def map_log(language: str, folder: Path, log: str | None = None) -> list[dict[str, Any]]:
    (folder / "old.csv").write_text(log or fenced("csv"))
    if language == "python":
        subprocess.run([sys.executable, "-c", fenced("python")], cwd=folder, check=True)
    else:
        with duckdb.connect() as connection:
            connection.execute(f"SET file_search_path = '{folder}'")
            connection.execute(fenced("sql").replace("'events.jsonl'", f"'{folder / 'events.jsonl'}'"))
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("language", ["python", "sql"])
def test_the_documented_mapping_is_right_for_every_currency_and_amount(language: str, tmp_path: Path):
    paid = [
        *((currency, "499") for currency in sorted(WITHOUT_DECIMALS)),
        *((currency, "0.499") for currency in sorted(WITH_THREE_DECIMALS)),
        *((currency, "0.0499") for currency in sorted(WITH_FOUR_DECIMALS)),
        *((currency, "4.99") for currency in ("EUR", "USD", "BRL")),
        # What adding up floating-point numbers leaves behind.
        ("EUR", "4.990000"),
        ("EUR", "4.989999"),
    ]
    lines = [f"{number},2024-03-10 12:00:00,u7,paid,,{amount},{code}" for number, (code, amount) in enumerate(paid)]
    events = map_log(language, tmp_path, "\n".join(["id,when,user,what,level,amount,currency", *lines]))
    assert [(one["properties"]["currency"], one["properties"]["price_minor"]) for one in events] == [
        (currency, 499) for currency, _ in paid
    ]


@pytest.mark.parametrize("language", ["python", "sql"])
def test_the_documented_mapping_makes_events_that_are_accepted_and_keep_their_ids(language: str, tmp_path: Path):
    events = map_log(language, tmp_path)
    assert [(one["event_name"], one["player_id"]) for one in events] == [
        ("session_start", "u7"),
        ("level_completed", "u7"),
        ("purchase", "u7"),
        ("custom", "u7"),
    ]
    assert [str(one["created_ts"])[:19] for one in events] == [
        "2024-03-10T12:00:00",
        "2024-03-10T12:05:30",
        "2024-03-10T12:06:00",
        "2024-03-10T12:07:00",
    ]
    assert events[2]["properties"] == {
        "transaction_id": "old-3",
        "product_id": "unknown",
        "price_minor": 499,
        "currency": "EUR",
    }
    assert events[3]["properties"] == {"name": "emote"}
    if language == "python":
        assert events[0]["event_id"] == str(uuid.uuid5(uuid.NAMESPACE_URL, "old-log/1"))
    assert [one["event_id"] for one in map_log(language, tmp_path)] == [one["event_id"] for one in events]
    summary = validate_file(read_settings({"TELEMETRY_HOME": str(tmp_path)}), tmp_path / "events.jsonl", "g")
    assert (summary.accepted, summary.rejected) == (4, {}), summary.first_messages

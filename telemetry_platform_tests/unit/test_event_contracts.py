"""Every schema's own examples, and the list of built-in events."""

import json
from pathlib import Path

import pytest

from telemetry_platform import contracts
from telemetry_platform.contracts.catalogue import builtin_catalogue, builtin_names

FOLDER = Path(contracts.__file__).parent / "events"
EXAMPLES = sorted(FOLDER.glob("*/*.*.*.json"))

BUILT_IN = {
    *("install", "session_start", "session_end", "heartbeat", "identify", "tutorial_started", "tutorial_completed"),
    *("level_started", "level_completed", "level_failed", "store_opened", "item_viewed", "checkout_started"),
    *("purchase", "purchase_failed", "refund", "ad_impression", "economy_source", "economy_sink"),
    *("experiment_exposure", "client_error", "login_failed", "performance", "matchmaking", "custom"),
}


def test_every_built_in_event_has_a_schema():
    assert builtin_names() == BUILT_IN


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_does_what_its_name_says(example: Path):
    name, version, _, verdict, _ = example.name.split(".")
    document = json.loads(example.read_text())
    contract = builtin_catalogue().get(name, int(version))
    assert contract is not None
    assert contract.accepts(document) == (verdict == "pass")


def test_every_event_has_an_example_that_passes_and_one_that_fails():
    verdicts = {(path.name.split(".")[0], path.name.split(".")[3]) for path in EXAMPLES}
    assert verdicts == {(name, verdict) for name in BUILT_IN for verdict in ("pass", "fail")}

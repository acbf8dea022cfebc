"""Every schema's own examples, and the list of built-in events."""

import json
from pathlib import Path

import pytest

from telemetry_platform import contracts
from telemetry_platform.contracts.catalogue import EventContract, builtin_catalogue, builtin_names
from telemetry_platform.contracts.examples import Example, read_examples
from telemetry_platform.contracts.inlining import ANNOTATIONS, inlined
from telemetry_platform.contracts.schemas import envelope, event_schemas

FOLDER = Path(contracts.__file__).parent / "events"
SCHEMAS = [FOLDER / "envelope.json", *sorted(FOLDER.glob("*/1.json"))]
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


def test_every_property_has_a_description():
    bare = [f"{file.parent.name}/{file.name}{place}" for file in SCHEMAS for place in without_description(file)]
    assert bare == []


def without_description(file: Path) -> list[str]:
    """Pointers to the properties and definitions of a schema file that are not described."""
    found: list[str] = []
    waiting = [("", json.loads(file.read_text()))]
    while waiting:
        place, schema = waiting.pop()
        for group in ("properties", "$defs"):
            for name, child in schema.get(group, {}).items():
                waiting.append((f"{place}/{group}/{name}", child))
                # Beside a reference, the definition's own description is not about this property.
                if not child.get("description", "").strip():
                    found.append(f"{place}/{group}/{name}")
    return found


def test_every_constraint_on_a_property_has_an_example_that_breaks_it():
    broken = {
        (example.event_name, problem)
        for example in read_examples(FOLDER)
        if not example.is_accepted
        for error in contract_of(example).validator.iter_errors(example.document)
        for problem in [("/".join(map(str, error.instance_path)), error.kind.name)]
    }
    wanted = {
        (name, (f"properties/{key}", keyword))
        for (name, _), schema in event_schemas().items()
        for key, value in inlined(schema, envelope())["properties"]["properties"].get("properties", {}).items()
        for keyword in value.keys() - ANNOTATIONS - ({"type"} if "enum" in value else set())
    }
    of_envelope = {
        ("heartbeat", (key, keyword))
        for key, value in inlined(envelope(), envelope())["properties"].items()
        for keyword in value.keys() - ANNOTATIONS
    }
    assert sorted((wanted | of_envelope) - broken) == []


def contract_of(example: Example) -> EventContract:
    contract = builtin_catalogue().get(*example.event)
    assert contract is not None
    return contract


def test_every_required_property_has_an_example_without_it():
    missing = {
        (example.event_name, key)
        for example in read_examples(FOLDER)
        if not example.is_accepted and isinstance(example.document.get("properties"), dict)
        for key in event_schemas()[example.event]["properties"]["properties"].get("required", [])
        if key not in example.document["properties"]
    }
    wanted = {
        (name, key)
        for (name, _), schema in event_schemas().items()
        for key in schema["properties"]["properties"].get("required", [])
    }
    assert missing == wanted

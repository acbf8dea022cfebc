"""The built-in contract against its last release; this is what refuses a break in CI."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telemetry_platform.contracts.released import (
    Contract,
    builtin_contract,
    builtin_released_file,
    contract_breaks,
    read_released,
    write_released,
)
from telemetry_platform.errors import ContractError


def after(change: Callable[[Any, Any], None]) -> list[tuple[str | None, str]]:
    """Return the breaks of the built-in contract after a change to its envelope and events."""
    present = builtin_contract()
    envelope, events = copy.deepcopy(present.envelope), copy.deepcopy(dict(present.events))
    change(envelope, events)
    return [(one.event_name, one.found.pointer) for one in contract_breaks(present, Contract(envelope, events))]


def test_the_built_in_contract_breaks_nothing_that_was_released():
    released = read_released(builtin_released_file())
    assert released is not None
    assert [one.message for one in contract_breaks(released, builtin_contract())] == []


def test_a_contract_that_did_not_change_breaks_nothing():
    assert after(lambda envelope, events: None) == []


def test_a_break_says_where_what_was_what_is_and_what_to_do():
    present = builtin_contract()
    events = copy.deepcopy(dict(present.events))
    events["purchase", 1]["properties"]["properties"]["required"].append("quantity")
    (only,) = contract_breaks(present, Contract(present.envelope, events))
    assert only.message == (
        'purchase version 1 at /properties/properties/required: takes less: ["quantity"] is new. '
        "Put version 1 back as it was released, and make the change in version 2."
    )
    assert only.document()["was"] == ["transaction_id", "product_id", "price_minor", "currency"]


def test_a_version_that_was_removed_is_a_break_and_a_new_one_is_none():
    assert after(lambda envelope, events: events.pop(("purchase", 1))) == [("purchase", "")]
    assert after(lambda envelope, events: events.update({("purchase", 2): {}, ("jump", 1): {}})) == []


def test_a_definition_that_is_narrowed_breaks_every_event_that_uses_it():
    found = after(lambda envelope, events: envelope["$defs"]["currency"]["enum"].remove("HRK"))
    assert found == [
        (name, "/properties/properties/properties/currency/enum") for name in ("ad_impression", "purchase", "refund")
    ]


def test_an_envelope_that_takes_less_is_a_break_of_its_own():
    assert after(lambda envelope, events: envelope["required"].append("country")) == [(None, "/required")]
    assert after(lambda envelope, events: envelope["$defs"]["id"].update(maxLength=64)) == [
        *((None, f"/properties/{key}/maxLength") for key in ("player_id", "device_id", "session_id")),
        ("identify", "/properties/properties/properties/account_id/maxLength"),
    ]
    assert after(lambda envelope, events: envelope["properties"].pop("country")) == [(None, "/properties/country")]


def test_an_envelope_that_takes_more_breaks_nothing():
    assert after(lambda envelope, events: envelope["properties"].update(locale={"type": "string"})) == []


def test_a_release_is_read_as_it_was_written(tmp_path: Path):
    file = tmp_path / "released.json"
    assert read_released(file) is None
    write_released(file, builtin_contract())
    assert read_released(file) == Contract(builtin_contract().envelope, dict(builtin_contract().events))
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"envelope": {}, "events": {"a": {"x": {}}}}'])
def test_a_release_that_cannot_be_read_says_what_to_do(tmp_path: Path, text: str):
    file = tmp_path / "released.json"
    file.write_text(text)
    with pytest.raises(ContractError, match="Restore it from version control"):
        read_released(file)

"""`telemetry schemas` as a user calls it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from telemetry_platform.cli import schemas as command
from telemetry_platform.contracts.event_docs import document_events
from telemetry_platform.contracts.examples import read_examples
from telemetry_platform.contracts.schemas import builtin_folder, envelope, event_schemas
from telemetry_platform.errors import ContractError
from telemetry_platform.settings import read_settings

JUMP = {
    "type": "object",
    "title": "jump",
    "description": "The player jumped.",
    "properties": {"height": {"type": "integer", "minimum": 0}, "style": {"enum": ["high", "long"]}},
    "required": ["height"],
}
EVENT = {
    "event_id": "9b2e1c50-4e0f-4b0a-8f0e-5a1d2c3b4a59",
    "event_name": "jump",
    "event_version": 1,
    "created_ts": "2026-11-23T17:00:00Z",
    "player_id": "p-1",
}


@pytest.fixture
def events_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Events folder of the registered game `waves`, with one event."""
    settings = read_settings({"TELEMETRY_HOME": str(tmp_path)})
    monkeypatch.setattr(command, "current_settings", lambda: settings)
    folder = settings.games_dir / "waves"
    (folder / "jump").mkdir(parents=True)
    (settings.games_dir / "waves.yaml").write_text("name: Waves\nevents: waves\n")
    write(folder / "jump" / "1.json", JUMP)
    return folder


def write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document))


def call(*arguments: str):
    return CliRunner().invoke(command.app, arguments)


def test_check_of_the_built_in_contract_succeeds():
    result = call("check")
    assert result.exit_code == 0, result.output
    assert "They break nothing that was released." in result.output


def test_check_as_json(events_folder: Path):
    result = call("check", "--game", "waves", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"contract": "waves", "is_released": False, "problems": [], "breaks": []}


def test_check_without_a_release_says_so(events_folder: Path):
    result = call("check", "--game", "waves")
    assert result.exit_code == 0
    assert "Nothing is released yet: `telemetry schemas release --game waves` does that." in result.output.replace(
        "\n", " "
    )


def test_a_released_game_event_is_held_to_its_release(events_folder: Path):
    assert call("release", "--game", "waves").exit_code == 0
    assert (events_folder / "released.json").is_file()
    assert call("check", "--game", "waves").exit_code == 0
    write(events_folder / "jump" / "1.json", JUMP | {"required": ["height", "style"]})
    result = call("check", "--game", "waves")
    assert result.exit_code == 1
    assert 'jump version 1 at /properties/properties/required: takes less: ["style"] is new.' in result.stderr
    assert "make the change in version 2" in result.stderr
    breaks = json.loads(call("check", "--game", "waves", "--json").stdout)["breaks"]
    assert [(one["event_name"], one["event_version"], one["was"], one["now"]) for one in breaks] == [
        ("jump", 1, ["height"], ["height", "style"])
    ]


def test_a_break_cannot_be_released_and_a_new_version_can(events_folder: Path):
    call("release", "--game", "waves")
    narrowed = JUMP | {"required": ["height", "style"]}
    write(events_folder / "jump" / "1.json", narrowed)
    refused = call("release", "--game", "waves")
    assert isinstance(refused.exception, ContractError)
    assert "make the change in version 2" in str(refused.exception)
    write(events_folder / "jump" / "1.json", JUMP)
    write(events_folder / "jump" / "2.json", narrowed)
    assert call("release", "--game", "waves").exit_code == 0
    assert set(json.loads((events_folder / "released.json").read_text())["events"]["jump"]) == {"1", "2"}


def test_examples_of_a_game_must_do_what_their_names_say(events_folder: Path):
    write(events_folder / "jump" / "jump.1.high.pass.json", EVENT | {"properties": {"height": 3}})
    write(events_folder / "jump.1.low.pass.json", EVENT | {"properties": {"height": -3}})
    write(events_folder / "jump" / "jump.1.long.fail.json", EVENT | {"properties": {"height": 3, "style": "long"}})
    write(events_folder / "jump" / "jump.4.old.fail.json", EVENT)
    result = call("check", "--game", "waves")
    assert result.exit_code == 1
    assert "jump.1.high.pass.json" not in result.stderr
    assert "jump.1.low.pass.json must pass, but it is refused: /properties/height: -3 is less than" in result.stderr
    assert "jump.1.long.fail.json must fail, but it is accepted." in result.stderr
    assert "jump.4.old.fail.json: jump has no version 4." in result.stderr


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (JUMP | {"required": "height"}, "The schema of jump version 1 is not valid at /properties/properties/required"),
        (JUMP | {"properties": {"height": {"type": "whole"}}}, "/properties/properties/properties/height/type"),
    ],
)
def test_a_file_that_is_no_schema_is_refused(events_folder: Path, schema: Any, message: str):
    write(events_folder / "jump" / "1.json", schema)
    result = call("check", "--game", "waves")
    assert result.exit_code == 1
    assert message in result.stderr


def test_another_dialect_is_refused(events_folder: Path):
    old = {"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "urn:telemetry:envelope"}
    write(events_folder / "jump" / "1.json", old)
    result = call("check", "--game", "waves")
    assert result.exit_code == 1
    assert "declares http://json-schema.org/draft-07/schema#" in result.stderr


def test_a_game_without_events_and_an_unknown_game_are_named(events_folder: Path):
    (events_folder.parent / "plain.yaml").write_text("name: Plain\n")
    assert "has no events of its own" in str(call("check", "--game", "plain").exception)
    assert "telemetry games add nobody" in str(call("check", "--game", "nobody").exception)


def test_list_says_what_is_released(events_folder: Path):
    assert json.loads(call("list", "--game", "waves", "--json").stdout) == [
        {"event_name": "jump", "event_version": 1, "is_released": False, "description": "The player jumped."}
    ]
    assert all(row["is_released"] for row in json.loads(call("list", "--json").stdout))
    assert "level_completed" in call("list").stdout


def test_the_reference_of_the_events_is_up_to_date():
    result = call("docs", "--check")
    assert result.exit_code == 0, result.exception


def test_a_stale_reference_is_refused_and_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "DOCS_FILE", tmp_path / "docs" / "events.md")
    assert "run `telemetry schemas docs`" in str(call("docs", "--check").exception)
    assert call("docs").exit_code == 0
    assert call("docs", "--check").exit_code == 0


def test_the_reference_has_a_table_and_an_example_of_each_event():
    page = document_events(envelope(), event_schemas(), read_examples(builtin_folder()))
    for name, _ in event_schemas():
        section = page.split(f"## `{name}`, version 1\n")[1].split("\n## ")[0]
        example = json.loads(section.split("```json")[1].split("```")[0])
        assert example["event_name"] == name
        for property_name in event_schemas()[name, 1]["properties"]["properties"].get("properties", {}):
            assert f"| `{property_name}` | " in section
    assert "| `quantity` | integer | no | 1 to 1000000 | Pieces bought; does not multiply the price. |" in page
    assert "| `price_minor` | integer | yes | [minor_units](#minor_units) | " in page

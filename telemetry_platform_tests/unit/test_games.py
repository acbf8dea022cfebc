"""The registry of games and their keys."""

import json
import os
import stat
from datetime import date
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from telemetry_platform.cli import games as command
from telemetry_platform.errors import ContractError, GameRegistryError
from telemetry_platform.games import game as model
from telemetry_platform.games.keys import KeyGrant, KeyRing, count_keys
from telemetry_platform.games.registry import Registry, add_game, load_games, local_keys, read_game, rotate_key
from telemetry_platform.settings import Settings, read_settings

FULL = """
name: Waves
session_gap_minutes: 20
reporting_currency: EUR
test_players: [{player_id: p-1, from: 2026-01-02}]
test_builds: [{build_version: "1.4", from: 2026-01-03}]
funnels:
  - {name: pay, window_seconds: 60, steps: [{event: store_opened}, {event: custom, where: {name: paid}}]}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"TELEMETRY_HOME": str(tmp_path)})


def entry(folder: Path, text: str) -> Path:
    path = folder / "waves.yaml"
    path.write_text(text)
    return path


def test_an_entry_is_read_into_a_game(tmp_path: Path):
    game = read_game(entry(tmp_path, FULL))
    assert (game.game_id, game.name, game.session_gap_minutes, game.reporting_currency) == ("waves", "Waves", 20, "EUR")
    assert game.test_players == (model.TestSubject("p-1", date(2026, 1, 2)),)
    assert game.test_builds == (model.TestSubject("1.4", date(2026, 1, 3)),)
    assert game.funnels == (
        model.Funnel("pay", 60, (model.FunnelStep("store_opened"), model.FunnelStep("custom", {"name": "paid"}))),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "cannot be read as YAML"),
        ("- waves", "must be a mapping"),
        ("", "must be a mapping"),
        ("nam: Waves", "unknown field `nam`. Remove it"),
        ("reporting_currency: USD", "missing required field `name`"),
        ("name:", "name: Expected `str` of length >= 1"),
        ("name: [3]", "name: Expected `str`, got `array`"),
        ("name: W\nsession_gap_minutes: " + "9" * 5000, "cannot be read as YAML"),
        ("name: W\nevents: &a [*a]", "an alias leads back"),
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
            "more than",
        ),
        (
            "a0: &a0 {x: y}\n"
            + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 9)),
            "more than",
        ),
        ("[" * 20_000, "cannot be read as YAML"),
        ("name: W\n" + "#" * 300_000, "larger than"),
        ("name: W\n---\nname: X", "cannot be read as YAML"),
        ("name: W\ntest_players: [{player_id: p, from: 2026-13-45}]", "cannot be read as YAML"),
        ("name: W\nsession_gap_minutes: soon", "session_gap_minutes: Expected `int`"),
        ("name: W\nreporting_currency: usd", "reporting_currency: "),
        ("name: W\ntest_builds: [{build_version: [1.4], from: 2026-01-01}]", r"test_builds\[0\].build_version: "),
        ("name: W\nfunnels: [{name: f, window_seconds: 604801, steps: [{event: a}, {event: b}]}]", "window_seconds"),
        ("name: W\nfunnels: [{name: f, window_seconds: 60, steps: [{event: a}]}]", r"funnels\[0\].steps"),
        ("name: W\nevents: nowhere", "events: 'nowhere' is not a folder"),
    ],
)
def test_a_broken_entry_is_refused_by_file_field_and_remedy(tmp_path: Path, text: str, message: str):
    with pytest.raises(GameRegistryError, match=message) as error:
        read_game(entry(tmp_path, text))
    assert "waves.yaml" in str(error.value)


@pytest.mark.parametrize("game_id", ["", "Waves", "a:b", "../waves", "a b", "x" * 64])
def test_an_id_that_is_no_file_name_or_key_part_is_refused(settings: Settings, game_id: str):
    with pytest.raises(GameRegistryError, match="cannot be a game's id"):
        add_game(settings, game_id, None)


def test_a_games_folder_that_is_not_there_holds_no_games(tmp_path: Path):
    assert load_games(tmp_path / "nowhere") == Registry()


def test_adding_a_game_writes_its_entry_and_keeps_no_key_in_clear_where_the_collector_reads(settings: Settings):
    keys = add_game(settings, "waves", None)
    assert list(load_games(settings.games_dir).games) == ["waves"]
    stored = (settings.keys_dir / "waves.json").read_text()
    assert keys.write_key not in stored
    assert keys.import_key not in stored
    assert local_keys(settings, "waves") == keys
    for file in (settings.keys_dir / "waves.json", settings.keys_dir / "local" / "waves.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


ODD_IDS = ("2048", "1010", "007", "0x10", "0o17", "no", "on", "y", "true", "null", "2026-01-01", "1e5", "1_000", "0b1")


@pytest.mark.parametrize("game_id", ODD_IDS)
def test_a_game_whose_id_is_no_text_to_yaml_is_added_and_read_back(settings: Settings, game_id: str):
    add_game(settings, game_id, None)
    assert load_games(settings.games_dir).games[game_id].name == game_id
    assert yaml.safe_load((settings.games_dir / f"{game_id}.yaml").read_text()) == {"name": game_id}


TEXTS = """
name: ?
test_players: [{player_id: ?, from: 2026-01-02}]
test_builds: [{build_version: ?, from: 2026-01-02}]
personal_properties: {?: drop}
funnels: [{name: ?, window_seconds: 60, steps: [{event: ?}, {event: a, where: {no: 7}}]}]
"""


@pytest.mark.parametrize(
    "written", [*ODD_IDS, "7", "1.10", "-1", "~", ".inf", "1:30", "2026-01-01T00:00:00Z", "2026-13-45"]
)
def test_text_of_an_entry_is_read_letter_by_letter_quoted_or_not(tmp_path: Path, written: str):
    game = read_game(entry(tmp_path, TEXTS.replace("?", written)))
    assert game == read_game(entry(tmp_path, TEXTS.replace("?", f"'{written}'")))
    assert (game.name, game.test_players[0].value, game.test_builds[0].value) == (written,) * 3
    assert list(game.personal_properties) == [written]
    assert (game.funnels[0].name, game.funnels[0].steps[0].event) == (written, written)
    assert game.funnels[0].steps[1].where == {"no": 7}, "a property's value has the type that it is written with"


def test_an_alias_and_a_merge_are_read_as_what_they_stand_for(tmp_path: Path):
    text = "name: &n 2048\ntest_players: [&p {player_id: *n, from: 2026-01-02}, {<<: *p, player_id: 7}]\n"
    assert [one.value for one in read_game(entry(tmp_path, text)).test_players] == ["2048", "7"]


def break_entries(folder: Path) -> dict[str, str]:
    """Put one of every kind of broken entry into `folder`; returns a part of the reason by game."""
    (folder / "broken.yaml").write_text("name: [")
    (folder / "latin.yaml").write_bytes("name: Müller".encode("latin-1"))
    (folder / "list.yaml").write_text("- name")
    (folder / "Upper.yaml").write_text("name: Upper")
    (folder / "folder.yaml").mkdir()
    (folder / "gone.yaml").symlink_to(folder / "nowhere")
    (folder / "circle.yaml").symlink_to(folder / "circle.yaml")
    os.mkfifo(folder / "pipe.yaml")
    no_file = "it is no file"
    return {"folder": no_file, "gone": no_file, "circle": "", "pipe": no_file} | {
        "broken": "cannot be read as YAML",
        "latin": "cannot be read as YAML",
        "list": "must be a mapping",
        "Upper": "cannot be a game's id",
    }


def test_a_broken_entry_is_reported_and_stops_its_own_game_alone(settings: Settings):
    add_game(settings, "2048", None)
    (settings.games_dir / ".#2048.yaml").symlink_to("an editor's lock")
    reasons = break_entries(settings.games_dir)
    registry = load_games(settings.games_dir)
    assert list(registry.games) == ["2048"]
    assert {fault.game_id for fault in registry.faults} == set(reasons)
    assert all(reasons[fault.game_id] in fault.reason for fault in registry.faults)
    assert registry.game("nobody") is None
    with pytest.raises(GameRegistryError, match="must be a mapping"):
        registry.game("list")


def test_a_games_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(tmp_path: Path):
    (tmp_path / "games").write_text("a file")
    with pytest.raises(GameRegistryError, match="cannot be listed"):
        load_games(tmp_path / "games")


def test_the_list_of_games_shows_each_broken_entry_with_its_reason(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "current_settings", lambda: settings)
    for game_id in ("waves", "rings"):
        add_game(settings, game_id, None)
    (settings.games_dir / "waves.yaml").write_text("name: '[bold]Waves[/x]'")
    (settings.keys_dir / "rings.json").write_text("{")
    reasons = break_entries(settings.games_dir)
    printed = CliRunner().invoke(command.app, ["list", "--json"])
    rows = {row["game_id"]: row for row in json.loads(printed.output)}
    assert printed.exit_code == 0
    assert rows["waves"]["keys"] == {"write": 1, "import": 1}
    assert "error" not in rows["waves"]
    assert "cannot be read as a key file" in rows["rings"]["error"]
    assert all(reason in rows[game_id]["error"] for game_id, reason in reasons.items())
    shown = CliRunner().invoke(command.app, ["list"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    for part in ("[bold]Waves[/x]", "Upper: 'Upper' cannot be a game's id", "list.yaml must be a mapping"):
        assert part in shown.output


def test_adding_a_game_twice_says_how_to_get_a_new_key(settings: Settings):
    add_game(settings, "waves", None)
    with pytest.raises(GameRegistryError, match="rotate-key waves"):
        add_game(settings, "waves", None)


def test_an_entry_under_version_control_gets_keys_without_being_rewritten(settings: Settings):
    settings.games_dir.mkdir(parents=True)
    path = entry(settings.games_dir, FULL)
    add_game(settings, "waves", None)
    assert path.read_text() == FULL


def test_another_entry_for_a_registered_game_is_refused(settings: Settings, tmp_path: Path):
    settings.games_dir.mkdir(parents=True)
    entry(settings.games_dir, FULL)
    with pytest.raises(GameRegistryError, match="already registered"):
        add_game(settings, "waves", entry(tmp_path, "name: Other"))


def test_a_broken_entry_registers_nothing(settings: Settings, tmp_path: Path):
    with pytest.raises(GameRegistryError):
        add_game(settings, "waves", entry(tmp_path, "nam: 3"))
    assert load_games(settings.games_dir) == Registry()
    assert not settings.keys_dir.exists()


def test_keys_of_an_unknown_game_name_the_command_that_adds_it(settings: Settings):
    with pytest.raises(GameRegistryError, match="telemetry games add waves"):
        local_keys(settings, "waves")


def test_each_key_grants_its_own_right_to_its_own_game(settings: Settings):
    waves, rings = add_game(settings, "waves", None), add_game(settings, "rings", None)
    ring = KeyRing(settings.keys_dir)
    assert ring.lookup(waves.write_key) == KeyGrant("waves", frozenset({"write"}))
    assert ring.lookup(rings.import_key) == KeyGrant("rings", frozenset({"import"}))
    for unknown in ("", "tw_" + "x" * 43, "ü" * 30, waves.write_key + "x"):
        assert ring.lookup(unknown) is None


def test_two_keys_are_valid_at_a_time_and_a_second_rotation_ends_the_first(settings: Settings):
    first = add_game(settings, "waves", None)
    ring = KeyRing(settings.keys_dir, check_seconds=0)
    second = rotate_key(settings, "waves")
    assert [ring.lookup(key) is not None for key in (first.write_key, second)] == [True, True]
    third = rotate_key(settings, "waves")
    assert [ring.lookup(key) is not None for key in (first.write_key, second, third)] == [False, True, True]
    assert ring.lookup(first.import_key) is not None
    assert count_keys(settings.keys_dir, "waves") == {"write": 2, "import": 1}
    assert local_keys(settings, "waves").write_key == third


def test_a_leaked_key_is_revoked_at_once_and_the_other_right_keeps_its_key(settings: Settings):
    leaked = add_game(settings, "waves", None)
    ring = KeyRing(settings.keys_dir, check_seconds=0)
    fresh = rotate_key(settings, "waves", revoke=True)
    assert [ring.lookup(key) is not None for key in (leaked.write_key, fresh, leaked.import_key)] == [False, True, True]


def test_a_key_made_while_the_collector_runs_is_known_after_the_next_check(settings: Settings):
    now = [0.0]
    ring = KeyRing(settings.keys_dir, check_seconds=1, clock=lambda: now[0])
    assert ring.lookup("x" * 40) is None
    keys = add_game(settings, "waves", None)
    now[0] = 0.5
    assert ring.lookup(keys.write_key) is None
    now[0] = 1.0
    assert ring.lookup(keys.write_key) is not None
    (settings.keys_dir / "waves.json").unlink()
    now[0] = 2.0
    assert ring.lookup(keys.write_key) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"keys": [{"sha256": "zz", "right": "write"}]}', '{"keys": [{}]}'])
def test_a_key_file_that_breaks_leaves_the_keys_it_had(settings: Settings, content: str):
    keys = add_game(settings, "waves", None)
    ring = KeyRing(settings.keys_dir, check_seconds=0)
    assert ring.lookup(keys.write_key) is not None
    (settings.keys_dir / "waves.json").write_text(content)
    assert ring.lookup(keys.write_key) is not None
    with pytest.raises(GameRegistryError, match="cannot be read as a key file"):
        rotate_key(settings, "waves")


def test_local_keys_survive_as_json_that_other_tools_can_read(settings: Settings):
    keys = add_game(settings, "waves", None)
    assert json.loads((settings.keys_dir / "local" / "waves.json").read_text()) == {
        "write_key": keys.write_key,
        "import_key": keys.import_key,
    }


def test_a_game_brings_its_own_schemas_along_and_a_broken_one_is_refused_before_any_key_is_made(
    settings: Settings, tmp_path: Path
):
    schema = tmp_path / "studio" / "own" / "boss_beaten" / "1.json"
    schema.parent.mkdir(parents=True)
    schema.write_text('{"type": "nonsense"}')
    entry = tmp_path / "studio" / "g.yaml"
    entry.write_text("name: G\nevents: own\n")
    with pytest.raises(ContractError, match="boss_beaten version 1"):
        add_game(settings, "g", entry)
    schema.write_text('{"type": "object"}')
    add_game(settings, "g", entry)
    events = load_games(settings.games_dir).games["g"].events
    assert events == settings.games_dir / "own"
    assert (events / "boss_beaten" / "1.json").is_file()

"""`telemetry simulate` as a user calls it, against a collector that answers by the rules of tables.md."""

import json

import pytest
import typer
from typer.testing import CliRunner

from telemetry_platform.cli import simulate as simulate_command
from telemetry_platform.errors import SettingsError
from telemetry_platform.games.registry import load_games
from telemetry_platform.settings import Settings
from telemetry_platform_tests.unit.test_simulator_sending import collector, home

__all__ = ["collector", "home"]


def command_line(home: Settings, monkeypatch, *arguments: str):
    monkeypatch.setattr(simulate_command, "current_settings", lambda: home)
    app = typer.Typer()
    app.command()(simulate_command.simulate)
    return CliRunner().invoke(app, arguments)


def test_the_command_registers_sends_and_prints_json(home, collector, monkeypatch):
    result = command_line(home, monkeypatch, "--games", "demo_rpg", "--days", "3", "--players", "40", "--json")
    assert result.exit_code == 0, result.output
    sent = json.loads(result.stdout)
    assert [(run["game_id"], run["kind"]) for run in sent] == [("demo_rpg", "history"), ("demo_rpg", "live")]
    assert set(load_games(home.games_dir).games) == {"demo_rpg"}


def test_the_command_prints_a_summary(home, collector, monkeypatch):
    result = command_line(home, monkeypatch, "--days", "3", "--players", "40", "--history-only")
    assert result.exit_code == 0, result.output
    assert "Sent through the collector" in result.stdout
    assert "demo_puzzle" in result.stdout


@pytest.mark.parametrize("arguments", [("--games", "chess"), ("--live-only", "--history-only")])
def test_the_command_refuses_what_makes_no_sense(home, collector, monkeypatch, arguments):
    result = command_line(home, monkeypatch, *arguments)
    assert isinstance(result.exception, SettingsError)
    assert not home.games_dir.exists()

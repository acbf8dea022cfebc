"""`telemetry games`: the registry of games and their keys."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from telemetry_platform.cli.commands import Commands
from telemetry_platform.cli.console import console, print_json
from telemetry_platform.errors import GameRegistryError
from telemetry_platform.games.game import Game
from telemetry_platform.games.keys import count_keys
from telemetry_platform.games.registry import add_game, load_games
from telemetry_platform.games.registry import rotate_key as rotate_game_key
from telemetry_platform.settings import Settings, current_settings

app = Commands(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
GameId = Annotated[str, typer.Argument(metavar="GAME", help="The game's id: lower-case letters, digits, _ or -.")]


@app.command("list")
def list_games(as_json: AsJson = False) -> None:
    """List the registered games, and in red, with its reason, each whose entry or key file cannot be read.

    Example: telemetry games list
    """
    settings = current_settings()
    registry = load_games(settings.games_dir)
    rows = [_row(settings, game) for game in registry.games.values()]
    rows += [{"game_id": fault.game_id, "error": fault.reason} for fault in registry.faults]
    rows.sort(key=lambda row: row["game_id"])
    if as_json:
        print_json(rows)
        return
    if not rows:
        console.print("No game is registered yet: `telemetry games add my_game` registers one.")
        return
    table = Table("game", "name", "currency", "session gap", "keys")
    for row in rows:
        table.add_row(*map(Text, _cells(row)), style="red" if "error" in row else None)
    console.print(table)
    for row in rows:
        if "error" in row:
            console.print(Text(f"{row['game_id']}: {row['error']}", style="red"), soft_wrap=True)


def _row(settings: Settings, game: Game) -> dict[str, Any]:
    row: dict[str, Any] = {
        "game_id": game.game_id,
        "name": game.name,
        "reporting_currency": game.reporting_currency,
        "session_gap_minutes": game.session_gap_minutes,
    }
    try:
        return row | {"keys": count_keys(settings.keys_dir, game.game_id)}
    except GameRegistryError as error:
        return row | {"keys": {}, "error": str(error)}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    keys = ", ".join(f"{count} {right}" for right, count in row.get("keys", {}).items()) or "unreadable"
    if "name" not in row:
        return (row["game_id"], "unreadable", "", "", "")
    return (row["game_id"], row["name"], row["reporting_currency"], f"{row['session_gap_minutes']} min", keys)


@app.command("add")
def add(
    game_id: GameId,
    file: Annotated[
        Path | None, typer.Option("--file", help="Its registry entry (YAML).", exists=True, dir_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register a game and make its keys.

    The keys are stored as hashes and shown here once. For senders on this machine (`telemetry import`,
    `telemetry simulate`) the local stack keeps a copy in clear, which only you can read, in
    `<TELEMETRY_HOME>/keys/local/<game>.json`; where that is not wanted, delete it and pass the key.

    Example: telemetry games add my_game --file my_game.yaml
    """
    keys = add_game(current_settings(), game_id, file)
    if as_json:
        print_json({"game_id": game_id, "write_key": keys.write_key, "import_key": keys.import_key})
        return
    console.print(f"{game_id} is registered. Its keys, shown this once:")
    console.print(f"  write   {keys.write_key}", soft_wrap=True)
    console.print(f"  import  {keys.import_key}", soft_wrap=True)


@app.command("rotate-key")
def rotate_key(
    game_id: GameId,
    right: Annotated[Literal["write", "import"], typer.Option(help="Which key to renew.")] = "write",
    revoke: Annotated[bool, typer.Option("--revoke", help="End the keys before at once: one has leaked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a new key; the one before stays valid until the next rotation, or ends with --revoke.

    Collectors follow within seconds, without a restart.

    Example: telemetry games rotate-key my_game --right write
    """
    key = rotate_game_key(current_settings(), game_id, right, revoke=revoke)
    if as_json:
        print_json({"game_id": game_id, f"{right}_key": key})
        return
    before = "those before are revoked" if revoke else "the one before stays valid until the next rotation"
    console.print(f"New {right} key of {game_id}; {before}:")
    console.print(f"  {key}", soft_wrap=True)

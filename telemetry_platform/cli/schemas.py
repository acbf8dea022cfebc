"""`telemetry schemas`: the events a game may send, what was released of them, and their reference."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from telemetry_platform.cli.commands import Commands
from telemetry_platform.cli.console import console, errors, print_json
from telemetry_platform.contracts.catalogue import builtin_catalogue, game_catalogue
from telemetry_platform.contracts.event_docs import document_events
from telemetry_platform.contracts.examples import read_examples, untrue_examples
from telemetry_platform.contracts.released import (
    RELEASED_FILE,
    Contract,
    ContractBreak,
    builtin_contract,
    builtin_released_file,
    contract_breaks,
    game_contract,
    read_released,
    write_released,
)
from telemetry_platform.contracts.schemas import builtin_folder, envelope, event_schemas
from telemetry_platform.contracts.wellformed import malformed_schemas
from telemetry_platform.errors import ContractError
from telemetry_platform.games.registry import load_games
from telemetry_platform.settings import PROJECT_ROOT, current_settings

DOCS_FILE = PROJECT_ROOT / "docs" / "events.md"

app = Commands(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
OfGame = Annotated[str | None, typer.Option("--game", help="A game's own schemas instead of the built-in ones.")]


@dataclass(frozen=True)
class _Place:
    """Where a contract lives: its schema files' folder and the file of its last release."""

    label: str
    folder: Path
    released_file: Path
    is_builtin: bool

    def contract(self) -> Contract:
        return builtin_contract() if self.is_builtin else game_contract(self.folder)

    def faults(self) -> tuple[list[str], list[ContractBreak]]:
        """What is wrong with the files, and what they break; examples and breaks wait for schemas that can be used."""
        present, released = self.contract(), read_released(self.released_file)
        malformed = malformed_schemas(present)
        if malformed:
            return malformed, []
        catalogue = builtin_catalogue() if self.is_builtin else game_catalogue(self.folder)
        untrue = untrue_examples(read_examples(self.folder), catalogue)
        return untrue, contract_breaks(released, present) if released else []


@app.command("list")
def list_schemas(game: OfGame = None, as_json: AsJson = False) -> None:
    """List the events and their versions, and whether each is released.

    Example: telemetry schemas list --game my_game
    """
    place = _place(game)
    released = read_released(place.released_file)
    known = released.events if released else {}
    rows = [
        {
            "event_name": name,
            "event_version": version,
            "is_released": (name, version) in known,
            "description": schema.get("description", ""),
        }
        for (name, version), schema in sorted(place.contract().events.items())
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("event", "version", "released", "description")
    for row in rows:
        is_released = "yes" if row["is_released"] else "not yet"
        table.add_row(row["event_name"], str(row["event_version"]), is_released, row["description"])
    console.print(table)


@app.command("check")
def check(game: OfGame = None, as_json: AsJson = False) -> None:
    """Refuse schema files that are not valid, examples that are not true, and breaks of what was released.

    Example: telemetry schemas check --game my_game
    """
    place = _place(game)
    problems, breaks = place.faults()
    if as_json:
        document: dict[str, Any] = {
            "contract": place.label,
            "is_released": place.released_file.is_file(),
            "problems": problems,
            "breaks": [one.document() for one in breaks],
        }
        print_json(document)
    else:
        _show(place, problems, breaks)
    if problems or breaks:
        raise typer.Exit(1)


@app.command("release")
def release(game: OfGame = None) -> None:
    """Record the present schemas as released: from then on `check` holds them to it.

    Example: telemetry schemas release --game my_game
    """
    place = _place(game)
    faults = list(_lines(*place.faults()))
    if faults:
        raise ContractError("Not released:\n" + "\n".join(faults))
    released, present = read_released(place.released_file), place.contract()
    write_released(place.released_file, present)
    new = len(present.events.keys() - (released.events.keys() if released else set()))
    console.print(
        f"Released {len(present.events)} schemas, {new} of them new, in {place.released_file}: commit that file.",
        soft_wrap=True,
    )


@app.command("docs")
def docs(
    is_check: Annotated[bool, typer.Option("--check", help="Only say whether the page is up to date.")] = False,
) -> None:
    """Write docs/events.md from the built-in schemas.

    Example: telemetry schemas docs --check
    """
    text = document_events(envelope(), event_schemas(), read_examples(builtin_folder()))
    if not (PROJECT_ROOT / "pyproject.toml").is_file():
        raise ContractError(f"{PROJECT_ROOT} is no checkout of the project, which is where the page belongs.")
    is_fresh = DOCS_FILE.is_file() and DOCS_FILE.read_text(encoding="utf-8") == text
    if is_check and not is_fresh:
        raise ContractError("docs/events.md is not what the schemas say: run `telemetry schemas docs`.")
    if not is_check:
        DOCS_FILE.parent.mkdir(exist_ok=True)
        DOCS_FILE.write_text(text, encoding="utf-8")
    console.print("docs/events.md is up to date.")


def _place(game_id: str | None) -> _Place:
    if game_id is None:
        return _Place("built-in", Path(str(builtin_folder())), builtin_released_file(), is_builtin=True)
    game = load_games(current_settings().games_dir).game(game_id)
    if game is None:
        raise ContractError(f"The game {game_id} is not registered: run `telemetry games add {game_id}`.")
    folder = game.events
    if folder is None:
        raise ContractError(f"{game_id} has no events of its own: name their folder as `events` in its registry entry.")
    return _Place(game_id, folder, folder / RELEASED_FILE, is_builtin=False)


def _show(place: _Place, problems: list[str], breaks: list[ContractBreak]) -> None:
    for line in _lines(problems, breaks):
        errors.print(line, soft_wrap=True)
    if problems or breaks:
        return
    name = "telemetry schemas release" + ("" if place.is_builtin else f" --game {place.label}")
    kept = (
        "They break nothing that was released."
        if place.released_file.is_file()
        else f"Nothing is released yet: `{name}` does that."
    )
    console.print(f"{len(place.contract().events)} schemas and their examples are valid. {kept}")


def _lines(problems: list[str], breaks: list[ContractBreak]) -> Iterator[str]:
    yield from problems
    yield from (one.message for one in breaks)

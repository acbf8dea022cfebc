"""The registry of games: one YAML file per game, read into `Game`, with its keys made apart from it."""

import json
import shutil
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from telemetry_platform.errors import GameRegistryError
from telemetry_platform.games.entry import check_game_id, read_game
from telemetry_platform.games.game import Game
from telemetry_platform.games.keys import RIGHTS, GameKeys, Right, create_keys, rotate, write_private
from telemetry_platform.settings import Settings


@dataclass(frozen=True)
class EntryFault:
    """An entry that cannot be read: whose it is by its file's name, and why."""

    game_id: str
    reason: str


@dataclass(frozen=True)
class Registry:
    """The games whose entries can be read, by id, and what is wrong with the others."""

    games: dict[str, Game] = field(default_factory=dict)
    faults: tuple[EntryFault, ...] = ()

    @property
    def fingerprint(self) -> str:
        """What tells two states of the registry apart: a hash of all that is known of the games."""
        return sha256(repr((sorted(self.games.items()), self.faults)).encode()).hexdigest()[:16]

    def game(self, game_id: str) -> Game | None:
        """Return a game, None for one that is not registered; raises GameRegistryError when its entry is broken."""
        for fault in self.faults:
            if fault.game_id == game_id:
                raise GameRegistryError(fault.reason)
        return self.games.get(game_id)


def load_games(games_dir: Path) -> Registry:
    """Read every registered game; a folder that is not there holds none.

    A broken entry stops its own game alone: it is among the faults. Raises GameRegistryError when the folder
    itself cannot be listed.
    """
    games: dict[str, Game] = {}
    faults = []
    for path in entry_files(games_dir):
        try:
            games[path.stem] = read_game(path)
        except GameRegistryError as error:
            faults.append(EntryFault(path.stem, str(error)))
    return Registry(games, tuple(faults))


def entry_files(games_dir: Path) -> list[Path]:
    """Return what has the name of an entry, by name, whatever it is; files that begin with a dot are an editor's.

    Raises GameRegistryError for a folder that cannot be listed: to take it for empty would give every game the
    defaults, and let personal properties through.
    """
    try:
        return sorted(path for path in games_dir.iterdir() if path.suffix == ".yaml" and not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise GameRegistryError(
            f"The games folder {games_dir} cannot be listed ({error}): make it readable."
        ) from error


def add_game(settings: Settings, game_id: str, file: Path | None) -> GameKeys:
    """Check and register a game, make its keys, and return them in clear, once.

    With neither `file` nor an entry in the games folder, an entry with defaults is written. The local
    stack's own copy of the keys is what `local_keys` reads.
    """
    target = settings.games_dir / f"{check_game_id(game_id)}.yaml"
    game = read_game(file, game_id) if file is not None else read_game(target) if target.exists() else None
    if game is not None and game.events is not None:
        # Read only here: the simulator registers games too, and may load nothing of what judges its events.
        from telemetry_platform.contracts.catalogue import game_catalogue

        game_catalogue(game.events)
    if file is not None and target.exists() and target.read_bytes() != file.read_bytes():
        raise GameRegistryError(f"{game_id} is already registered in {target}: edit that file, it is picked up live.")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        if file is not None and game is not None:
            shutil.copyfile(file, target)
            _bring_schemas(game, file, target)
        else:
            # In quotes: to YAML an id such as 2048 or no is no text.
            target.write_text(f"name: {json.dumps(game_id)}\n", encoding="utf-8")
    keys = create_keys(settings.keys_dir, game_id)
    _write_local(settings, keys)
    return keys


def _bring_schemas(game: Game, file: Path, target: Path) -> None:
    """Copy the folder of own schemas beside the registered entry, where it is named relative to the file."""
    if game.events is not None and game.events.is_relative_to(file.parent):
        shutil.copytree(game.events, target.parent / game.events.relative_to(file.parent), dirs_exist_ok=True)


def rotate_key(settings: Settings, game_id: str, right: Right = "write", *, revoke: bool = False) -> str:
    """Make a new key for `right` and return it in clear; the newest one before it stays valid unless `revoke`."""
    if right not in RIGHTS:
        raise GameRegistryError(f"There is no right {right!r}: use {' or '.join(RIGHTS)}.")
    key = rotate(settings.keys_dir, check_game_id(game_id), right, revoke=revoke)
    local = _read_local(settings, game_id)
    _write_local(settings, GameKeys(**{**local, "game_id": game_id, f"{right}_key": key}))
    return key


def local_keys(settings: Settings, game_id: str) -> GameKeys:
    """Return a game's keys in clear, from the copy the local stack keeps for its own senders (mode 0600).

    The simulator, the demo and `telemetry import` use it; the collector never reads it.
    """
    local = _read_local(settings, check_game_id(game_id))
    if not local.get("write_key") and not local.get("import_key"):
        if not (settings.games_dir / f"{game_id}.yaml").exists():
            raise GameRegistryError(f"The game {game_id} is not registered: run `telemetry games add {game_id}`.")
        raise GameRegistryError(
            f"{settings.home} keeps no keys of {game_id}: run `telemetry games add {game_id}`, or, where its keys "
            "were made elsewhere, give one."
        )
    return GameKeys(**{**local, "game_id": game_id})


def _local_path(settings: Settings, game_id: str) -> Path:
    return settings.keys_dir / "local" / f"{game_id}.json"


def _read_local(settings: Settings, game_id: str) -> dict[str, str]:
    path = _local_path(settings, game_id)
    if not path.exists():
        return {"write_key": "", "import_key": ""}
    document = json.loads(path.read_text(encoding="utf-8"))
    return {"write_key": document.get("write_key", ""), "import_key": document.get("import_key", "")}


def _write_local(settings: Settings, keys: GameKeys) -> None:
    document = {"write_key": keys.write_key, "import_key": keys.import_key}
    write_private(_local_path(settings, keys.game_id), document)

"""What each game's registry entry means to the collector, followed live."""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from telemetry_platform.collector import metrics
from telemetry_platform.collector.privacy import HASH_KEYS, Redactor, hash_key
from telemetry_platform.collector.quotas import GameQuota
from telemetry_platform.contracts.catalogue import Catalogue, builtin_catalogue, game_catalogue
from telemetry_platform.contracts.schemas import schema_files
from telemetry_platform.errors import TelemetryError
from telemetry_platform.games.entry import read_game
from telemetry_platform.games.game import Game, Quota
from telemetry_platform.games.registry import entry_files
from telemetry_platform.games.watch import FileWatch
from telemetry_platform.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GamePolicy:
    """One game's rules at the edge."""

    game_id: str
    horizon: timedelta
    catalogue: Catalogue = field(default_factory=builtin_catalogue)
    redactor: Redactor | None = None
    quota: GameQuota = field(default_factory=lambda: GameQuota(Quota()))


class GamePolicies:
    """Every game's policy; a change of a registry entry or of a schema is seen within about a second.

    An entry that cannot be used keeps the rules the game had: one broken file must not stop its events, nor
    let personal properties through that were held back before. A game without an entry has the defaults.
    """

    def __init__(self, settings: Settings, *, check_seconds: float = 1.0) -> None:
        self._settings = settings
        self._watch = FileWatch(self._files, check_seconds=check_seconds)
        self._policies: dict[str, GamePolicy] = {}
        self._folders: dict[str, Path] = {}
        self._faults: dict[str, str] = {}
        self._folder_fault = ""

    def get(self, game_id: str) -> GamePolicy | None:
        """Return a game's policy; None while its entry, never read before, cannot be used."""
        self._follow()
        policy = self._policies.get(game_id)
        if policy is None and game_id not in self._faults and not self._folder_fault:
            horizon = timedelta(days=self._settings.lateness_horizon_days)
            policy = self._policies[game_id] = GamePolicy(game_id, horizon)
        return policy

    def _follow(self) -> None:
        try:
            changed = self._watch.changed()
        except (TelemetryError, OSError) as error:
            # What is known goes on; a game never read before could have rules that are out of sight.
            if self._folder_fault != str(error):
                log.error("event=games_unreadable reason=%s", error)
            self._folder_fault = str(error)
            return
        if changed:
            self._refresh(changed)

    def _files(self) -> Iterator[Path]:
        entries = entry_files(self._settings.games_dir)
        self._folder_fault = ""
        yield from entries
        # What an entry refers to can be mended without a change of the entry: a folder made, a key restored.
        yield self._settings.games_dir
        yield from (self._settings.keys_dir / HASH_KEYS).glob("*.key")
        for folder in self._folders.values():
            yield from schema_files(folder)

    def _refresh(self, changed: set[Path]) -> None:
        entries = {path for path in changed if path.suffix == ".yaml" and path.parent == self._settings.games_dir}
        for game_id, folder in self._folders.items():
            if any(folder in path.parents for path in changed):
                entries.add(self._entry(game_id))
        entries |= {self._entry(game_id) for game_id in self._faults}
        for path in sorted(entries):
            self._load(path)
        for game_id in self._policies.keys() | self._faults.keys():
            _show(game_id, is_unreadable=game_id in self._faults)

    def _entry(self, game_id: str) -> Path:
        return self._settings.games_dir / f"{game_id}.yaml"

    def _load(self, path: Path) -> None:
        game_id = path.stem
        if not os.path.lexists(path):
            self._policies.pop(game_id, None)
            self._folders.pop(game_id, None)
            self._faults.pop(game_id, None)
            _show(game_id, is_unreadable=False)
            return
        try:
            game = read_game(path)
            if game.events is not None:
                self._folders[game_id] = game.events
            else:
                self._folders.pop(game_id, None)
            self._policies[game_id] = self._policy_of(game)
            self._faults.pop(game_id, None)
        except Exception as error:  # noqa: BLE001 - whatever one game's files do, the other games' events go on
            if self._faults.get(game_id) != str(error):
                has_rules = game_id in self._policies
                log.error("event=game_unreadable game_id=%s kept=%s reason=%s", game_id, has_rules, error)
            self._faults[game_id] = str(error)

    def _policy_of(self, game: Game) -> GamePolicy:
        before = self._policies.get(game.game_id)
        # What a game has used up stays used up when another line of its entry changes.
        quota = before.quota if before is not None and before.quota.quota == game.quota else GameQuota(game.quota)
        redactor = None
        if game.personal_properties:
            redactor = Redactor(game.personal_properties, hash_key(self._settings.keys_dir, game.game_id))
        return GamePolicy(
            game.game_id,
            timedelta(days=game.lateness_horizon_days),
            builtin_catalogue() if game.events is None else game_catalogue(game.events),
            redactor,
            quota,
        )


def _show(game_id: str, *, is_unreadable: bool) -> None:
    if is_unreadable:
        metrics.UNREADABLE.labels(game_id).set(1)
    else:
        with suppress(KeyError):
            metrics.UNREADABLE.remove(game_id)

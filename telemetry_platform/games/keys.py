"""Write and import keys: made here, shown once, stored as SHA-256, looked up by the collector.

A key is 256 random bits, so a plain SHA-256 cannot be guessed backwards and costs nothing per request.
"""

import hashlib
import json
import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from telemetry_platform.errors import GameRegistryError
from telemetry_platform.games.watch import FileWatch

log = logging.getLogger(__name__)

Right = Literal["write", "import"]
RIGHTS: tuple[Right, ...] = ("write", "import")
KEYS_PER_RIGHT = 2
_KEY_SHAPE = re.compile(r"[A-Za-z0-9_-]{20,200}")
_PREFIX: dict[Right, str] = {"write": "tw_", "import": "ti_"}


@dataclass(frozen=True)
class GameKeys:
    """A game's newest keys in clear, as they are shown once."""

    game_id: str
    write_key: str
    import_key: str


@dataclass(frozen=True)
class KeyGrant:
    """What a key lets its bearer do."""

    game_id: str
    rights: frozenset[str]


def new_key(right: Right) -> str:
    """Make a key; the prefix only tells a human what it is for."""
    return _PREFIX[right] + secrets.token_urlsafe(32)


def create_keys(keys_dir: Path, game_id: str) -> GameKeys:
    """Make a game's first keys and store their hashes; raises GameRegistryError when it has keys."""
    keys = GameKeys(game_id, new_key("write"), new_key("import"))
    entries = [_entry(keys.write_key, "write"), _entry(keys.import_key, "import")]
    path = _store(keys_dir, game_id)
    if path.exists():
        raise GameRegistryError(
            f"{game_id} already has keys, which are not stored in clear: `telemetry games rotate-key {game_id}` "
            "makes a new one and leaves the present one valid."
        )
    write_private(path, {"keys": entries})
    return keys


def rotate(keys_dir: Path, game_id: str, right: Right, *, revoke: bool = False) -> str:
    """Add a new key for `right` and return it; the one before stays valid unless `revoke`, older ones end."""
    path = _store(keys_dir, game_id)
    if not path.exists():
        raise GameRegistryError(f"{game_id} has no keys yet: run `telemetry games add {game_id}`.")
    entries = _read_entries(path)
    others = [entry for entry in entries if entry["right"] != right]
    same = [] if revoke else [entry for entry in entries if entry["right"] == right]
    key = new_key(right)
    write_private(path, {"keys": [*others, *same[-(KEYS_PER_RIGHT - 1) :], _entry(key, right)]})
    return key


def count_keys(keys_dir: Path, game_id: str) -> dict[str, int]:
    """Count a game's valid keys by right."""
    path = _store(keys_dir, game_id)
    rights = [entry["right"] for entry in _read_entries(path)] if path.exists() else []
    return {right: rights.count(right) for right in RIGHTS}


class KeyRing:
    """Every game's keys by hash; a change of a key file is seen within about a second, without a restart.

    A file that cannot be read keeps the keys it had: one broken file must not lock out a game.
    """

    def __init__(
        self, keys_dir: Path, *, check_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read `keys_dir` at the first lookup; a folder that is not there yet holds no keys."""
        self._watch = FileWatch(lambda: keys_dir.glob("*.json"), check_seconds=check_seconds, clock=clock)
        self._by_file: dict[Path, dict[bytes, KeyGrant]] = {}
        self._grants: dict[bytes, KeyGrant] = {}

    def lookup(self, key: str) -> KeyGrant | None:
        """Return what `key` grants, or None for an unknown one."""
        if changed := self._watch.changed():
            self._refresh(changed)
        if not _KEY_SHAPE.fullmatch(key):
            return None
        return self._grants.get(hashlib.sha256(key.encode("ascii")).digest())

    def _refresh(self, changed: set[Path]) -> None:
        for path in changed:
            if path.exists():
                self._load(path)
            else:
                self._by_file.pop(path, None)
        self._grants = {digest: grant for grants in self._by_file.values() for digest, grant in grants.items()}

    def _load(self, path: Path) -> None:
        try:
            entries = _read_entries(path)
        except GameRegistryError as error:
            log.error("key_file_unreadable file=%s reason=%s", path.name, error)
            return
        rights: dict[bytes, set[str]] = {}
        for entry in entries:
            rights.setdefault(bytes.fromhex(entry["sha256"]), set()).add(entry["right"])
        self._by_file[path] = {digest: KeyGrant(path.stem, frozenset(of_key)) for digest, of_key in rights.items()}


def write_private(path: Path, document: dict[str, Any]) -> None:
    """Write JSON that only its owner may read, all at once: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _store(keys_dir: Path, game_id: str) -> Path:
    return keys_dir / f"{game_id}.json"


def _entry(key: str, right: Right) -> dict[str, str]:
    return {
        "sha256": hashlib.sha256(key.encode("ascii")).hexdigest(),
        "right": right,
        "created_ts": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def _read_entries(path: Path) -> list[dict[str, str]]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["keys"]
        for entry in entries:
            if entry["right"] not in RIGHTS or len(bytes.fromhex(entry["sha256"])) != hashlib.sha256().digest_size:
                raise ValueError("an entry needs a known right and a SHA-256 in hex")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GameRegistryError(
            f"{path} cannot be read as a key file ({error}): restore it, or remove it and run `telemetry games add`."
        ) from error
    return entries

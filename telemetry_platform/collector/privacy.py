"""Personal properties, dropped or hashed before anything reaches Kafka."""

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from telemetry_platform.games.game import PersonalRule
from telemetry_platform.games.secret_file import secret_of

HASH_KEYS = "personal"
"""Folder of the games' keys for hashing, in the folder of keys."""

_ENCODE = msgspec.json.Encoder().encode


class Redactor:
    """Takes one game's personal properties out of its events, at any depth.

    A hashed value becomes the hexadecimal HMAC-SHA256 of its JSON form under a key of the game's own, so
    that equal values stay equal and cannot be guessed by hashing likely ones.
    """

    def __init__(self, rules: Mapping[str, PersonalRule], key: bytes) -> None:
        self._rules = dict(rules)
        self._key = key

    def redact(self, properties: dict[str, Any]) -> dict[str, Any]:
        """Return `properties` without what is to be dropped and with what is to be hashed hashed."""
        return {
            name: self._replace(name, value) for name, value in properties.items() if self._rules.get(name) != "drop"
        }

    def redact_raw(self, raw: bytes, document: dict[str, Any]) -> bytes:
        """Return the bytes to keep of a rejected event: the original ones where they hold nothing personal.

        `document` is the event as far as it could be read, {} when not at all. Unreadable bytes that name a
        personal property, or could spell one in escapes, are withheld: an empty value.
        """
        if not document:
            return b"" if b"\\u" in raw or any(name.encode() in raw for name in self._rules) else raw
        redacted = self._replace("", document)
        return raw if redacted == document else _ENCODE(redacted)

    def is_personal(self, pointer: str) -> bool:
        """Whether a JSON pointer leads to a personal property or into one."""
        return any(part in self._rules for part in pointer.split("/"))

    def _replace(self, name: str, value: Any) -> Any:
        if self._rules.get(name) == "hash":
            return hmac.new(self._key, _ENCODE(value), hashlib.sha256).hexdigest()
        if isinstance(value, dict):
            return self.redact(value)
        if isinstance(value, list):
            return [self._replace("", item) for item in value]
        return value


def hash_key(keys_dir: Path, game_id: str) -> bytes:
    """Return the game's key for hashing, made at first use; raises SecretFileError for one that is broken.

    All collectors of a studio must share it, as they share the write keys' folder.
    """
    return secret_of(keys_dir / HASH_KEYS / f"{game_id}.key")

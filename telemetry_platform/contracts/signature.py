"""How a record in Kafka shows that the collector wrote it: a keyed digest of its value in a header.

Whoever may write to the topic can also write `"source": "collector"` into a value: trust needs what only the
collector and the streaming job know. The digest is SHA-256 over a key, the value's length and the value. The length
in front makes no signed message the beginning of another, which is what keeps a digest of this form from being
extended (Bellare, Canetti, Krawczyk: Pseudorandom functions revisited, 1996); it costs half of HMAC's two passes, on
both sides, for every event.
"""

import hashlib
from pathlib import Path

from telemetry_platform.games.secret_file import secret_of

SIGNATURE_HEADER = "telemetry-signature"
LENGTH_DIGITS = 16


class Signer:
    """Signs record values with one key."""

    def __init__(self, key: bytes) -> None:
        # The state after the key is the same for every record.
        self._keyed = hashlib.sha256(key)

    def sign(self, value: bytes) -> bytes:
        """Return the 32 bytes that go into the header."""
        digest = self._keyed.copy()
        digest.update(b"%016x" % len(value))
        digest.update(value)
        return digest.digest()


def signing_key(keys_dir: Path) -> bytes:
    """Return the key that collectors and the streaming job share, made by whoever needs it first.

    Raises GameRegistryError when the file does not hold a key.
    """
    return secret_of(keys_dir / "signing.key")

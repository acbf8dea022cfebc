"""A secret in a file of its own: made once, at first use, and the same for everybody who reads it."""

import logging
import os
import re
import secrets
import tempfile
from pathlib import Path

from telemetry_platform.errors import SecretFileError

log = logging.getLogger(__name__)

SECRET_BYTES = 32
_HEX = re.compile(rb"[0-9a-fA-F]{64}")


def secret_of(path: Path) -> bytes:
    """Return the 32 random bytes that `path` holds in hexadecimal, made at first use; only its owner may read it.

    Of several processes that make it at one moment the first wins, and all return the same. The file is never
    there in part: an empty secret would be found out by nobody and guessed by anybody. Raises SecretFileError,
    which says what to do, for a file that holds anything else.
    """
    try:
        if not path.exists():
            _make(path)
        written = path.read_bytes().strip()
    except OSError as error:
        raise SecretFileError(
            f"The secret {path} can be neither read nor made ({error}): let this user write its folder and read the "
            "file, and see that the disk is not full."
        ) from error
    if not _HEX.fullmatch(written):
        raise SecretFileError(
            f"{path} does not hold a secret of {SECRET_BYTES} bytes in hexadecimal: restore it from a backup. Without "
            "one, remove it: a new one is made, and what was hashed or signed with the old one matches no longer."
        )
    return bytes.fromhex(written.decode("ascii"))


def _make(path: Path) -> None:
    """Write the secret aside and give it its name when it is whole and on the disk, unless another was faster."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
        _sync_folder(path.parent)
        log.info("event=secret_made file=%s", path.name)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk too: after a power cut another secret would be made."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

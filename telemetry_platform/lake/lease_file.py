"""A lease as an operating-system lock on a file of the lake.

The kernel lets go of it when the process dies, however it dies. The lock is `flock`'s, on the open file: another
descriptor of this process that is closed does not free it, as it would a POSIX lock. The file itself is never removed
or replaced, or two processes could hold locks on two files of one name.
"""

import fcntl
import json
import os
from io import FileIO
from pathlib import Path

from telemetry_platform.errors import LakeError, LeaseLost
from telemetry_platform.lake.lease_store import Lease, Owner


class LockFile:
    """Keeps a table's lease in a file on this machine."""

    poll_seconds = 0.02

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, what: str) -> Lease | Owner | None:
        """Lock the file and write this process's name into it; the owner when it is locked."""
        try:
            file = self._locked()
            if isinstance(file, FileIO):
                owner = Owner.of_this_process(what, _last_epoch(file) + 1)
                _write(file, owner.to_json())
                return _LockedFile(self._path, file, owner)
        except OSError as error:
            raise LakeError(
                f"{self._path} cannot be locked: {error}. The lake must be writable, on a disk that knows locks."
            ) from error
        return file

    def _locked(self) -> FileIO | Owner | None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            # A file object and not a descriptor: whatever interrupts this, the lock goes with the last reference.
            file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with file:
                    return Owner.from_json(_read(file))
            if _is_file_at(self._path, file):
                return file
            file.close()


class _LockedFile:
    def __init__(self, path: Path, file: FileIO, owner: Owner) -> None:
        self._path = path
        self._file = file
        self.owner = owner

    def check(self) -> None:
        """Raise LeaseLost when the lock's file is no longer the one in the lake: somebody removed it."""
        if not _is_file_at(self._path, self._file):
            raise LeaseLost(f"{self._path} was removed while {self.owner.what} held it: run it again.")

    def release(self) -> None:
        """Take this process's name out of the file, and unlock it."""
        with self._file as file:
            _write(file, json.dumps({"epoch": self.owner.epoch}).encode())

    def abandon(self) -> None:
        """Close the child's copy of the descriptor: as long as one is open the lock is held."""
        self._file.close()


def _is_file_at(path: Path, file: FileIO) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _last_epoch(file: FileIO) -> int:
    try:
        return int(json.loads(_read(file))["epoch"])
    except (ValueError, TypeError, KeyError):
        return 0


def _read(file: FileIO) -> bytes:
    return os.pread(file.fileno(), 4096, 0)


def _write(file: FileIO, record: bytes) -> None:
    # Readers may come between the two calls: an old tail makes it no JSON, and they read it again.
    os.pwrite(file.fileno(), record, 0)
    os.ftruncate(file.fileno(), len(record))

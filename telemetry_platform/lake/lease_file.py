"""A lease as an operating-system lock on a file of the lake.

The kernel lets go of it when the process dies, however it dies. The lock is `flock`'s, on the open file: another
descriptor of this process that is closed does not free it, as it would a POSIX lock. The file itself is never removed
or replaced, or two processes could hold locks on two files of one name.

A killed driver's JVM runs on for about a second, until it finds that its standard input is closed, and may end a
commit in it. So the file also names the JVMs its owner had, and while one of them lives the lease is not free.
"""

import fcntl
import json
import os
from io import FileIO
from pathlib import Path
from typing import Any

from telemetry_platform.errors import LakeError, LeaseLost
from telemetry_platform.lake.lease_store import Lease, Owner
from telemetry_platform.local.process import PROC, start_mark


class LockFile:
    """Keeps a table's lease in a file on this machine."""

    poll_seconds = 0.02

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, what: str) -> Lease | Owner | None:
        """Lock the file and write this process's name into it; the owner when it is locked."""
        try:
            file = self._locked()
            if not isinstance(file, FileIO):
                return file
            before = _record(file)
            if any(start_mark(pid) == started for pid, started in before.get("jvms", ())):
                with file:
                    return Owner.from_json(_read(file))
            owner = Owner.of_this_process(what, before.get("epoch", 0) + 1)
            _write(file, owner.to_json(jvms=_own_jvms()))
            return _LockedFile(self._path, file, owner)
        except OSError as error:
            raise LakeError(
                f"{self._path} cannot be locked: {error}. The lake must be writable, on a disk that knows locks."
            ) from error

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


def _record(file: FileIO) -> dict[str, Any]:
    """What the last owner wrote; a process that ended in order leaves no JVMs in it."""
    try:
        found = json.loads(_read(file))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _own_jvms() -> list[tuple[int, str]]:
    """Pid and start of each JVM that is a child of this process; none where the system does not tell."""
    children = [pid for file in PROC.glob("self/task/*/children") for pid in file.read_text().split()]
    return [(int(pid), start_mark(int(pid))) for pid in children if _is_java(pid)]


def _is_java(pid: str) -> bool:
    try:
        return (PROC / pid / "comm").read_text().strip() == "java"
    except OSError:
        return False


def _read(file: FileIO) -> bytes:
    return os.pread(file.fileno(), 4096, 0)


def _write(file: FileIO, record: bytes) -> None:
    # Readers may come between the two calls: an old tail makes it no JSON, and they read it again.
    os.pwrite(file.fileno(), record, 0)
    os.ftruncate(file.fileno(), len(record))

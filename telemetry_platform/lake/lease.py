"""One writer a table, whoever starts it: every process that commits to a table of the lake holds its lease.

Delta's put-if-absent is a rename on a local disk, atomic within one JVM only, and S3's log store is made for a single
driver: of two processes that commit at the same time one can overwrite the other's commit, and its rows are gone.
What Dagster's pools know does not help, for they know the runs of one Dagster only.

A lease is the process's and not the thread's: within one JVM Delta's own protocol holds, so a streaming job's batches
and a run's steps share the lease that their process has. The first who asks takes it, the last one lets it go.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry_platform.errors import TableBusy
from telemetry_platform.lake.lease_file import LockFile
from telemetry_platform.lake.lease_store import Lease, LeaseStore, Owner

log = logging.getLogger(__name__)

WAIT_SECONDS = 60.0
# How long a killed process still holds its lease on object storage, at most.
OBJECT_LEASE_SECONDS = 60


@contextmanager
def lease(root: str, table_name: str, *, owner: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[Lease]:
    """Hold the right to write to a table of the lake at `root`; `owner` says what for, in others' messages.

    Raises TableBusy when another process still holds it after `wait_seconds`.
    """
    place = root.replace("s3a://", "s3://").rstrip("/") if "://" in root else str(Path(root).resolve())
    slot = _slots.get((place, table_name)) or _slots.setdefault((place, table_name), _Slot(_store(place, table_name)))
    held = _entered(slot, table_name, owner, wait_seconds)
    try:
        yield held
    finally:
        slot.leave()


def seconds_after_death(root: str) -> float:
    """How long the lease of a killed process can outlive it: its successor has to wait for that."""
    return OBJECT_LEASE_SECONDS if "://" in root else 0.0


class _Slot:
    """A table's lease in this process, and how many use it."""

    def __init__(self, store: LeaseStore) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._users = 0
        self.held: Lease | None = None

    def enter(self, what: str) -> Lease | Owner | None:
        """Take or share the lease; what `LeaseStore.take` says when another process has it."""
        with self._lock:
            if self.held is None:
                taken = self.store.take(what)
                if taken is None or isinstance(taken, Owner):
                    return taken
                self.held = taken
            self._users += 1
            return self.held

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self.held is not None:
                held, self.held = self.held, None
                held.release()

    def abandon(self) -> None:
        """Leave the lease to the parent of a forked child; its lock may be held by a thread that is not here."""
        self._lock = threading.Lock()
        if self.held is not None:
            held, self.held = self.held, None
            held.abandon()


_slots: dict[tuple[str, str], _Slot] = {}


def _entered(slot: _Slot, table_name: str, what: str, wait_seconds: float) -> Lease:
    deadline = time.monotonic() + wait_seconds
    is_first = True
    while True:
        found = slot.enter(what)
        if found is not None and not isinstance(found, Owner):
            return found
        name = str(found or "a process that has not written its name yet")
        if time.monotonic() >= deadline:
            raise TableBusy(
                f"{table_name} is written by another process ({name}); waited {wait_seconds:g} s. "
                "Let it finish, or end it, then run this again."
            )
        if is_first:
            log.info("event=waiting_for_lease table=%s seconds=%g owner=%r", table_name, wait_seconds, name)
            is_first = False
        # Not the kernel's own waiting: Ctrl-C ends a sleep.
        time.sleep(slot.store.poll_seconds)


def _store(root: str, table_name: str) -> LeaseStore:
    if "://" not in root:
        return LockFile(Path(root) / "_leases" / f"{table_name}.lock")
    from telemetry_platform.lake.lease_object import LeaseObjects  # boto3 takes a third of a second

    return LeaseObjects.at(root, table_name, seconds=OBJECT_LEASE_SECONDS)


def _forget_in_child() -> None:
    """Leave the leases to the parent: a forked child that kept them open would hold them after its death."""
    for slot in _slots.values():
        slot.abandon()
    _slots.clear()


os.register_at_fork(after_in_child=_forget_in_child)

"""What waits to be sent: batches in memory, or segments of JSON Lines in a folder that outlives the process.

    <folder>/000000000012.500.jsonl            500 events, to be sent after those with a lower number
    <folder>/refused/000000000007.500.jsonl    what the collector will not take,
    <folder>/refused/000000000007.500.json     and why

A segment is written beside its name, synced and renamed: what has a name is whole.
"""

import contextlib
import fcntl
import json
import logging
import os
import re
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from telemetry_platform.errors import CollectorError

log = logging.getLogger(__name__)

REFUSED = "refused"
_NAME = re.compile(r"(?P<place>\d{12}(?:-\d)*)\.(?P<count>\d+)\.jsonl")
# A file takes whole blocks: without counting them, many small ones could fill a disk within the bound.
_BLOCK_BYTES = 4096


@dataclass(frozen=True, eq=False)
class Segment:
    """A batch that waits: in a file, or, where `path` is None, in memory. `size` is in bytes."""

    place: str
    count: int
    size: int
    path: Path | None = None
    events: tuple[bytes, ...] = ()

    def read(self) -> list[bytes]:
        """Return the encoded events; raises OSError when the file cannot be read."""
        return list(self.events) if self.path is None else self.path.read_bytes().splitlines()


class Spool:
    """Segments in the order in which they are to be sent, bounded: when it is full, the oldest go.

    Without a folder, and while the folder cannot be written, segments are kept in memory. One process at a
    time may use a folder: raises CollectorError when another one does. Two threads may share it: one adds,
    the other takes `oldest` and says what became of it.
    """

    def __init__(self, folder: Path | None, *, disk_bytes: int, memory_bytes: int) -> None:
        self._folder = folder
        self._disk_bytes = disk_bytes
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._segments: deque[Segment] = deque()
        self._sending: Segment | None = None
        self._number = 0
        self._lock_file: int | None = None
        if folder is not None:
            (folder / REFUSED).mkdir(parents=True, exist_ok=True)
            self._lock_file = _take(folder)
            self._find(folder)
        self._on_disk = sum(segment.size for segment in self._segments)
        self._in_memory = 0

    def __len__(self) -> int:
        """Events that wait."""
        with self._lock:
            return sum(segment.count for segment in self._segments)

    @property
    def size_in_memory(self) -> int:
        """Bytes of the events that wait and are in no file."""
        return self._in_memory

    @property
    def count_in_memory(self) -> int:
        """Events that wait and are in no file."""
        with self._lock:
            return sum(segment.count for segment in self._segments if segment.path is None)

    def add(self, events: Sequence[bytes]) -> int:
        """Keep a batch; returns how many older events had to go for it. In a file it is durable on return."""
        self._number += 1
        segment = self._keep(f"{self._number:012d}", events)
        dropped = 0
        with self._lock:
            self._segments.append(segment)
            self._count(segment, 1)
            while self._on_disk > self._disk_bytes and (count := self._drop_first(in_memory=False)):
                dropped += count
            while self._in_memory > self._memory_bytes and (count := self._drop_first(in_memory=True)):
                dropped += count
        return dropped

    def drop_oldest_in_memory(self) -> int:
        """Let the oldest segment go that is in no file and not being sent; returns its events, 0 for none."""
        with self._lock:
            return self._drop_first(in_memory=True)

    def oldest(self) -> Segment | None:
        """Return the segment to send next, and hold it: it is not dropped until its fate is told."""
        with self._lock:
            self._sending = self._segments[0] if self._segments else None
            return self._sending

    def remove(self, segment: Segment) -> None:
        """Forget a segment that has been acknowledged."""
        self._forget(segment)
        _unlink(segment.path)

    def refuse(self, segment: Segment, *, status: int, reason: str) -> int:
        """Put a segment aside with the reason; returns how many events refused before had to go for it."""
        self._forget(segment)
        if self._folder is None or segment.path is None:
            return segment.count
        aside = self._folder / REFUSED / segment.path.name
        note = {"status": status, "reason": reason, "refused_ts": datetime.now(UTC).isoformat()}
        try:
            aside.with_suffix(".json").write_text(json.dumps(note), encoding="utf-8")
            segment.path.replace(aside)
        except OSError as error:
            # It keeps its place, and is tried again when the next process finds it there.
            log.error("event=spool_failed file=%s reason=%s", segment.path.name, error)
        return self._bound_refused(aside.parent)

    def split(self, segment: Segment) -> None:
        """Put two halves in a segment's place, so that one event does not cost the others of its batch."""
        events = segment.read()
        middle = len(events) // 2
        first, second = (
            self._keep(f"{segment.place}-{n}", p) for n, p in enumerate((events[:middle], events[middle:]))
        )
        self._forget(segment)
        with self._lock:
            for half in (second, first):
                self._segments.appendleft(half)
                self._count(half, 1)
        _unlink(segment.path)

    def take_back_refused(self) -> int:
        """Put all that was refused back in the queue, for after its cause is gone; returns its events."""
        if self._folder is None:
            return 0
        found = 0
        for path, segment in _segments_in(self._folder / REFUSED):
            back = Segment(segment.place, segment.count, segment.size, path.replace(self._folder / path.name))
            path.with_suffix(".json").unlink(missing_ok=True)
            found += segment.count
            with self._lock:
                self._segments.append(back)
                self._count(back, 1)
        return found

    def close(self) -> None:
        """Leave the folder to another process."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _find(self, folder: Path) -> None:
        for torn in folder.glob("*.tmp"):
            # Its process ended while writing: nobody has been told that these events are durable.
            log.warning("event=spool_torn file=%s", torn.name)
            torn.unlink()
        self._segments.extend(segment for _, segment in _segments_in(folder))
        known = [*self._segments, *(segment for _, segment in _segments_in(folder / REFUSED))]
        self._number = max((int(segment.place[:12]) for segment in known), default=0)
        if self._segments:
            log.info("event=spool_found events=%d", sum(segment.count for segment in self._segments))

    def _keep(self, place: str, events: Sequence[bytes]) -> Segment:
        content = b"\n".join(events) + b"\n"
        if self._folder is not None:
            path = self._folder / f"{place}.{len(events)}.jsonl"
            try:
                _write_durably(path, content)
                return Segment(place, len(events), _blocks(len(content)), path)
            except OSError as error:
                log.error("event=spool_failed events=%d kept=memory reason=%s", len(events), error)
        return Segment(place, len(events), len(content), None, tuple(events))

    def _drop_first(self, *, in_memory: bool) -> int:
        for segment in self._segments:
            if (segment.path is None) == in_memory and segment is not self._sending:
                self._segments.remove(segment)
                self._count(segment, -1)
                _unlink(segment.path)
                return segment.count
        return 0

    def _bound_refused(self, folder: Path) -> int:
        kept = list(_segments_in(folder))
        dropped, size = 0, sum(segment.size for _, segment in kept)
        for path, segment in kept[:-1]:
            if size <= self._disk_bytes:
                break
            _unlink(path)
            _unlink(path.with_suffix(".json"))
            size, dropped = size - segment.size, dropped + segment.count
        return dropped

    def _forget(self, segment: Segment) -> None:
        with self._lock:
            self._segments.remove(segment)
            self._count(segment, -1)
            self._sending = None

    def _count(self, segment: Segment, sign: int) -> None:
        if segment.path is None:
            self._in_memory += sign * segment.size
        else:
            self._on_disk += sign * segment.size


def _blocks(size: int) -> int:
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES


def _segments_in(folder: Path) -> Iterator[tuple[Path, Segment]]:
    for path in sorted(folder.iterdir()):
        if name := _NAME.fullmatch(path.name):
            yield path, Segment(name["place"], int(name["count"]), _blocks(path.stat().st_size), path)


def _take(folder: Path) -> int:
    """Lock a folder for as long as the process lives, however it ends."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise CollectorError(f"{folder} is another queue's spool: give each process a folder of its own.") from None
    return lock


def _write_durably(path: Path, content: bytes) -> None:
    beside = path.with_name(f"{path.name}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _unlink(path: Path | None) -> None:
    try:
        if path is not None:
            path.unlink(missing_ok=True)
    except OSError as error:
        # It is sent again by the next process that finds it; its events keep their ids.
        log.error("event=spool_failed file=%s reason=%s", path, error)

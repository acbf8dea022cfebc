"""Files that change under a running process: seen within about a second, without a restart."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

Stamp = tuple[int, int, int, int]


class FileWatch:
    """Tells which of a changing set of files were written, replaced or removed since the last look."""

    def __init__(
        self,
        list_files: Callable[[], Iterable[Path]],
        *,
        check_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at what `list_files` returns, at most once in `check_seconds`."""
        self._list_files = list_files
        self._check_seconds = check_seconds
        self._clock = clock
        self._checked_at = -float("inf")
        self._stamps: dict[Path, Stamp] = {}

    def changed(self) -> set[Path]:
        """Return the files that differ from the last look; between two looks, and without a change, none."""
        now = self._clock()
        if now - self._checked_at < self._check_seconds:
            return set()
        self._checked_at = now
        stamps = {path: stamp for path in self._list_files() if (stamp := _stamp(path)) is not None}
        before, self._stamps = self._stamps, stamps
        return {path for path in before.keys() | stamps.keys() if before.get(path) != stamps.get(path)}


def _stamp(path: Path) -> Stamp | None:
    """Return what changes when a file is replaced, rewritten, or given to other readers; None when it is gone."""
    try:
        status = path.stat()
    except OSError:
        # A link that leads nowhere or in a circle is there all the same, and its reader must say so.
        try:
            status = path.lstat()
        except OSError:
            return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino

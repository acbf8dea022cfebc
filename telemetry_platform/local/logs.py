"""Logs of the local stack that do not fill the disk, whoever writes them.

`python -m telemetry_platform.local.logs MODULE [ARGUMENT...]` runs a module and keeps its log small.

Every process appends to a descriptor it was given, and so does its JVM; nobody can be told to open
another file. So a log that has grown is copied and then emptied in place. Each of our own processes does
that to its own log, while its logging is held: no line is lost. The logs of programs that are not ours
(Kafka, Dagster), and of what a killed process left behind, are looked after by whichever of ours is there.
"""

import fcntl
import logging
import os
import runpy
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from telemetry_platform.settings import current_settings

LARGEST_LOG_BYTES = 50 * 1024**2
# `<name>.log`, `<name>.log.1` and `<name>.log.2`.
KEPT_FILES = 3
CHECK_SECONDS = 5
_TAIL_BYTES = 64 * 1024


def keep_small(
    folder: Path, *, largest_bytes: int = LARGEST_LOG_BYTES, check_seconds: float = CHECK_SECONDS
) -> threading.Thread:
    """Start a thread that looks after the logs in `folder` as long as this process lives."""
    keeper = threading.Thread(
        target=_look_after, args=(folder, largest_bytes, check_seconds), name="keeps-logs-small", daemon=True
    )
    keeper.start()
    return keeper


def rotate(path: Path, largest_bytes: int = LARGEST_LOG_BYTES) -> None:
    """Empty a log that is too large, unless a process that lives looks after it; what it held is in `<log>.1`."""
    with path.open("r+b") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        _rotate(path, largest_bytes, nullcontext)


def last_lines(path: Path, count: int) -> list[str]:
    """Last lines of a log, read from its end; none when there is no log."""
    try:
        with path.open("rb") as log:
            start = max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES)
            log.seek(start)
            lines = log.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    # The first of them may have begun before.
    return lines[1 if start and len(lines) > 1 else 0 :][-count:]


def _look_after(folder: Path, largest_bytes: int, check_seconds: float) -> None:
    own = _own_log(folder)
    with ExitStack() as stack:
        if own is not None:
            # Held until this process ends, however it ends: the others leave this log alone so long.
            fcntl.flock(stack.enter_context(own.open("rb")), fcntl.LOCK_EX)
        pause = threading.Event()
        while not pause.wait(check_seconds):
            for path in folder.glob("*.log"):
                # A full disk, or a log that was removed a moment ago: the next round tries again.
                with suppress(OSError):
                    if path == own:
                        _rotate(path, largest_bytes, _own_lines_held)
                    else:
                        rotate(path, largest_bytes)


def _own_log(folder: Path) -> Path | None:
    own = os.fstat(1)
    return next((path for path in folder.glob("*.log") if os.path.samestat(own, path.stat())), None)


@contextmanager
def _own_lines_held() -> Iterator[None]:
    """Let this process log nothing inside the block; its threads wait for the milliseconds that takes."""
    with ExitStack() as stack:
        for handler in logging.getLogger().handlers:
            handler.acquire()
            stack.callback(handler.release)
        yield


def _rotate(path: Path, largest_bytes: int, lines_held: Callable[[], AbstractContextManager[None]]) -> None:
    size = path.stat().st_size
    if size < largest_bytes:
        return
    copies = [path.with_name(f"{path.name}.{number}") for number in range(1, KEPT_FILES)]
    draft = path.with_name(f"{path.name}.new")
    # First, so that there is room for the copy.
    copies[-1].unlink(missing_ok=True)
    with path.open("r+b") as log, draft.open("wb") as copy:
        # One that nobody looked after may be as large as the disk: its end is kept.
        log.seek(max(0, size - 2 * largest_bytes))
        shutil.copyfileobj(log, copy)
        with lines_held():
            shutil.copyfileobj(log, copy)
            copy.flush()
            # Killed between these, a process leaves lines twice, never none.
            for older, newer in zip(reversed(copies), [*reversed(copies[:-1]), draft], strict=True):
                if newer.exists():
                    newer.replace(older)
            os.ftruncate(log.fileno(), 0)


def main() -> None:
    """Run the module that is named, as `python -m` does."""
    del sys.argv[0]
    folder = current_settings().logs_dir
    if folder.is_dir():
        keep_small(folder)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

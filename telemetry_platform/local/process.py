"""Processes that outlive the command that started them: started, recognised, measured, ended."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

PROC = Path("/proc")
# Every process of the stack inherits it, so that what a killed one leaves behind can be told from a stranger.
MARK = "TELEMETRY_PROCESS"
KILL_SECONDS = 5


@dataclass(frozen=True)
class Record:
    """What is remembered of a started process: enough to know it again when its pid is reused."""

    pid: int
    started: str
    mark: str
    command: tuple[str, ...] = ()


def start(
    command: Sequence[str], *, log: Path, record: Path, environment: Mapping[str, str], folder: Path
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, output to `log`, and write its record."""
    log.parent.mkdir(parents=True, exist_ok=True)
    record.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex
    # Ctrl-C inside Popen would leave a child that nobody knows of.
    with log.open("ab") as output, _interrupt_after():
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environment, MARK: mark},
            cwd=folder,
            start_new_session=True,
        )
        try:
            draft = record.with_suffix(".new")
            draft.write_text(json.dumps(asdict(Record(process.pid, start_mark(process.pid), mark, tuple(command)))))
            draft.replace(record)
        except BaseException:
            # Without its record nobody could end it later: a full disk must not leave an orphan.
            process.kill()
            raise
    return process


@contextmanager
def _interrupt_after() -> Iterator[None]:
    """Put off Ctrl-C until the block has ended; the handler is Python's, which a child does not inherit."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) in {
        signal.SIG_IGN,
        signal.SIG_DFL,
    }:
        yield
        return
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        signal.raise_signal(signal.SIGINT)


def read_record(path: Path) -> Record | None:
    """Read a process's record; None when there is none or it was half written."""
    try:
        return Record(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_alive(record: Record | None) -> bool:
    """Whether the very process of the record still runs; a zombie does not."""
    return record is not None and start_mark(record.pid) == record.started != ""


def start_mark(pid: int) -> str:
    """When a process started, in whatever form the system says it; empty when it does not run."""
    if PROC.exists():
        fields = _stat(pid)
        return "" if fields is None or fields[0] == "Z" else fields[19]
    said = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state = said.stdout.strip()
    return "" if not state or state.startswith("Z") else state.split(None, 1)[1]


def group_cpu_seconds(group: int) -> float:
    """User and system seconds of all processes of a group and their ended children; 0 without /proc."""
    if not PROC.exists():
        return 0.0
    ticks = 0
    for entry in PROC.iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdigit() else None
        if fields is not None and int(fields[2]) == group:
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def ask_to_end(record: Record) -> None:
    """Send SIGTERM to the leader alone: it ends its children itself, a driver its JVM after the last batch."""
    with suppress(ProcessLookupError):
        if is_alive(record):
            os.kill(record.pid, signal.SIGTERM)


def end(record: Record, *, grace_seconds: float) -> None:
    """Wait for a process that was asked to end, then kill it and all it has left behind."""
    deadline = time.monotonic() + grace_seconds
    while is_alive(record) and time.monotonic() < deadline:
        _reap(record.pid)
        time.sleep(0.05)
    if is_alive(record):
        os.killpg(record.pid, signal.SIGKILL)
    # By mark and not by group: the leader may have died long ago, and its number belong to a stranger now.
    deadline = time.monotonic() + KILL_SECONDS
    while (pids := list(left_behind(record))) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # A killed process keeps its ports until the system is done with it.
        time.sleep(0.02)
    _reap(record.pid)


def left_behind(record: Record) -> Iterator[int]:
    """Pids of everything that descends from the record's process; nothing where there is no /proc."""
    mark = f"{MARK}={record.mark}".encode()
    for entry in PROC.iterdir() if PROC.exists() else ():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)


def _reap(pid: int) -> None:
    """Collect the exit status when the process is our own child."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def port_is_free(port: int) -> bool:
    """Whether nothing listens on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listener_of(port: int) -> str:
    """Pid and command of the process that listens on `port`, where the system tells; else empty."""
    inode = _listening_inode(port)
    if inode is None:
        return ""
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            for handle in (entry / "fd").iterdir():
                if str(handle.readlink()) == f"socket:[{inode}]":
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    return f"pid {entry.name}: {command[:120].strip()}"
    return ""


def _listening_inode(port: int) -> str | None:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    return fields[9]
    return None


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat after the command's name, which may hold spaces: state first."""
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None

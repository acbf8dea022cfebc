"""Dagster processes that are not the stack's own but would work on the same storage."""

from contextlib import suppress
from pathlib import Path

from telemetry_platform.local.process import PROC
from telemetry_platform.settings import PROJECT_ROOT, Settings


def foreign_dagster(settings: Settings) -> int | None:
    """Pid of a Dagster daemon on this home's storage, or None; where the system does not tell, None."""
    if not PROC.exists():
        return None
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if _is_daemon(entry) and _uses_storage(entry, settings):
                    return int(entry.name)
    return None


def _is_daemon(entry: Path) -> bool:
    command = (entry / "cmdline").read_bytes()
    return b"dagster._daemon" in command or b"dagster-daemon" in command


def _uses_storage(entry: Path, settings: Settings) -> bool:
    """By DAGSTER_HOME, or, without one, by the dagster.yaml of the folder it runs in."""
    variables = dict(line.split(b"=", 1) for line in (entry / "environ").read_bytes().split(b"\0") if b"=" in line)
    home = variables.get(b"DAGSTER_HOME")
    if home:
        return Path(home.decode()) == settings.dagster_home
    return (entry / "cwd").readlink() == PROJECT_ROOT and settings.home == PROJECT_ROOT / ".telemetry"

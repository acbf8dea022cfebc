"""The jars of the broker and of Spark: fetched once, by a lock of coordinates and SHA-256.

`python -m telemetry_platform.local.jars` fetches what is missing. Ivy, which ships with pyspark, does
the fetching: neither Maven nor Spark is needed.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from telemetry_platform.errors import MissingProgramError, TelemetryError
from telemetry_platform.local.java import java_program
from telemetry_platform.settings import Settings, current_settings

LOCK = Path(__file__).with_name("jars.lock")
GROUPS = ("broker", "spark")


@dataclass(frozen=True)
class Jar:
    """A locked jar: the group that needs it, its Maven coordinates, its SHA-256."""

    group: str
    organisation: str
    name: str
    revision: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the file in the group's folder."""
        return f"{self.name}-{self.revision}.jar"


def read_lock(text: str) -> list[Jar]:
    """Parse the lock: `group organisation:name:revision sha256` a line."""
    jars = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            group, coordinates, sha256 = line.split()
            organisation, name, revision = coordinates.split(":")
            jars.append(Jar(group, organisation, name, revision, sha256))
    return jars


def ensure_jars(settings: Settings) -> None:
    """Fetch and check every locked jar that is not there; raises MissingProgramError or TelemetryError."""
    text = LOCK.read_text()
    stamp = settings.jars_dir / ".complete"
    wanted = hashlib.sha256(text.encode()).hexdigest()
    if _is_complete(settings, stamp, wanted):
        return
    settings.jars_dir.mkdir(parents=True, exist_ok=True)
    with _exclusive(settings.jars_dir / ".lock"):
        if _is_complete(settings, stamp, wanted):
            return
        jars = read_lock(text)
        with tempfile.TemporaryDirectory(dir=settings.jars_dir) as folder:
            fetched = _fetch(jars, Path(folder))
            _check(jars, fetched)
            stamp.unlink(missing_ok=True)
            for group in GROUPS:
                ready = Path(folder) / group
                ready.mkdir()
                for jar in jars:
                    if jar.group == group:
                        # A copy: both groups may need the same jar.
                        shutil.copyfile(fetched / jar.organisation / jar.file_name, ready / jar.file_name)
                shutil.rmtree(settings.jars_dir / group, ignore_errors=True)
                ready.rename(settings.jars_dir / group)
            stamp.write_text(wanted)


def jars_are_there(settings: Settings) -> bool:
    """Whether a complete set of this lock's jars is on disk."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    return _is_complete(settings, settings.jars_dir / ".complete", wanted)


def _is_complete(settings: Settings, stamp: Path, wanted: str) -> bool:
    return (
        stamp.exists()
        and stamp.read_text() == wanted
        and all((settings.jars_dir / jar.group / jar.file_name).exists() for jar in read_lock(LOCK.read_text()))
    )


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a file lock: two copies of the stack may share one folder of jars."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(jars: Sequence[Jar], folder: Path) -> Path:
    dependencies = "\n".join(
        f'<dependency org="{jar.organisation}" name="{jar.name}" rev="{jar.revision}" transitive="false" '
        f'force="true" conf="{jar.group}->master"/>'
        for jar in jars
    )
    module = folder / "ivy.xml"
    module.write_text(
        '<ivy-module version="2.0"><info organisation="telemetry" module="jars"/><configurations>'
        + "".join(f'<conf name="{group}"/>' for group in GROUPS)
        + f"</configurations><dependencies>{dependencies}</dependencies></ivy-module>"
    )
    pattern = folder / "out" / "[organisation]" / "[artifact]-[revision].[ext]"
    _run_ivy(folder, ["-ivy", str(module), "-types", "jar", "bundle", "-retrieve", str(pattern)], len(jars))
    return folder / "out"


def _run_ivy(folder: Path, arguments: Sequence[str], expected: int) -> None:
    """Run Ivy with a cache of its own (a broken one elsewhere must not matter) and show its progress."""
    command = [str(java_program()), "-jar", str(_ivy_jar()), "-cache", str(folder / "cache"), *arguments]
    log: list[str] = []
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("fetching jars", total=expected)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as ivy:
            for line in ivy.stdout or ():
                log.append(line)
                if "[SUCCESSFUL ]" in line:
                    progress.advance(task)
    if ivy.returncode != 0:
        failed = [line.strip() for line in log if "::" in line or "ERROR" in line][-15:]
        raise TelemetryError(
            "The jars could not be fetched: is Maven Central, or the mirror your machine uses for it, reachable?\n"
            + "\n".join(failed)
        )


def _ivy_jar() -> Path:
    pyspark = find_spec("pyspark")
    if pyspark is None or pyspark.origin is None:
        raise MissingProgramError("pyspark is not installed: run `make setup`.")
    return next((Path(pyspark.origin).parent / "jars").glob("ivy-*.jar"))


def _check(jars: Sequence[Jar], folder: Path) -> None:
    for jar in jars:
        path = folder / jar.organisation / jar.file_name
        if not path.exists():
            raise TelemetryError(f"{jar.file_name} was not fetched: run `make setup` again.")
        found = sha256_of(path)
        if found != jar.sha256:
            raise TelemetryError(f"{jar.file_name} has SHA-256 {found}, not the locked {jar.sha256}: it is not used.")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    try:
        ensure_jars(current_settings())
    except TelemetryError as failure:
        sys.exit(f"{type(failure).__name__}: {failure}")

"""Where Java is, and whether it will do."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from telemetry_platform.errors import MissingProgramError
from telemetry_platform.settings import current_settings

SUPPORTED = (17, 21)
HOW_TO_GET = (
    "Install Java 17 or 21 (Debian, Ubuntu: `apt-get install openjdk-17-jre-headless`; "
    "macOS: `brew install openjdk@17`) or point JAVA_HOME at one."
)


@cache
def java_program() -> Path:
    """Find the `java` of JAVA_HOME or PATH; raises MissingProgramError when there is none that fits."""
    home = current_settings().java_home
    found = str(home / "bin" / "java") if home else shutil.which("java")
    if found is None or not Path(found).exists():
        raise MissingProgramError(f"Java was not found{f' in JAVA_HOME={home}' if home else ''}. {HOW_TO_GET}")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = java_version(said)
    if version not in SUPPORTED:
        raise MissingProgramError(f"{found} is Java {version or 'of an unknown version'}. {HOW_TO_GET}")
    return Path(found)


def java_version(said: str) -> int | None:
    """Major version out of what `java -version` says; None when it says something else."""
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match.group(1)) if match else None

"""What holds for every suite."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

JVM_SETTINGS = "JAVA_TOOL_OPTIONS"
# A machine that is as foreign as can be: whatever the product does not fix itself shows in some test.
FOREIGN_MACHINE = "-Duser.language=tr -Duser.country=TR -Dfile.encoding=ISO-8859-9 -Duser.timezone=Asia/Tokyo"


@pytest.fixture(scope="session", autouse=True)
def compiled_code_has_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail when any JVM of the suites, whoever started it, ran out of room for compiled code.

    From `CodeCache is full. Compiler has been disabled.` on a JVM interprets whatever is new: everything
    works, several times slower.
    """
    folder: Path = tmp_path_factory.mktemp("jvm")
    before = os.environ.get(JVM_SETTINGS)
    os.environ[JVM_SETTINGS] = f"{FOREIGN_MACHINE} -Xlog:codecache=warning:file={folder}/%p.log"
    yield
    if before is None:
        del os.environ[JVM_SETTINGS]
    else:
        os.environ[JVM_SETTINGS] = before
    full = [line for file in folder.glob("*.log") for line in file.read_text().splitlines() if "full" in line]
    assert not full, f"a JVM has stopped compiling; see telemetry_platform/jvm.py: {full[:3]}"

"""A stack of a test's own: its data in a folder of its own, every port free."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from telemetry_platform.local.environment import environment_of
from telemetry_platform.settings import PROJECT_ROOT, Settings, read_settings

START_SECONDS = 30
END_SECONDS = 30


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, all different because they are held until the last one is found."""
    held = [socket.socket() for _ in range(count)]
    try:
        for probe in held:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in held]
    finally:
        for probe in held:
            probe.close()


def settings_on_free_ports(home: Path, **variables: str) -> Settings:
    """Settings of a stack of its own: its data under `home`, each port free."""
    names = ("KAFKA", "KAFKA_CONTROLLER", "COLLECTOR", "WAREHOUSE", "DAGSTER", "BRONZE_METRICS")
    ports = {f"TELEMETRY_{name}_PORT": str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}
    jars = os.environ.get("TELEMETRY_JARS", str(PROJECT_ROOT / ".jars"))
    java = {"JAVA_HOME": os.environ["JAVA_HOME"]} if os.environ.get("JAVA_HOME") else {}
    return read_settings({"TELEMETRY_HOME": str(home), "TELEMETRY_JARS": jars} | ports | java | variables)


@contextmanager
def running_server(
    settings: Settings, command: Sequence[str], url: str, *, log: Path, **variables: str
) -> Iterator[int]:
    """Run one server process until it answers 200 at `url`, yield its pid, and end it with SIGTERM.

    `variables` are added to the environment that `settings` stand for. Raises AssertionError, with the end of
    the log, when the server does not answer in time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | environment_of(settings) | variables
    with log.open("ab") as output:
        server = subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while status_of(url) != 200:
            assert server.poll() is None, f"the server ended: {log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"{url} gave no 200 in {START_SECONDS} s: {log.read_text()[-2000:]}"
            time.sleep(0.05)
        yield server.pid
    finally:
        server.terminate()
        server.wait(END_SECONDS)


@contextmanager
def running_collector(settings: Settings, **variables: str) -> Iterator[int]:
    """Run one collector process over a broker that is there; yields its pid."""
    command = [sys.executable, "-m", "telemetry_platform.collector"]
    url = f"{settings.collector_url}/readyz"
    with running_server(settings, command, url, log=settings.logs_dir / "collector.log", **variables) as pid:
        yield pid


def status_of(url: str) -> int | None:
    """Status of a GET, or None when nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None

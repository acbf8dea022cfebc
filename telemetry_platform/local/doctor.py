"""What this machine has of what the product needs."""

import os
import shutil
import sys
from dataclasses import dataclass

from confluent_kafka import KafkaException

from telemetry_platform.contracts.topics import Fault
from telemetry_platform.errors import TelemetryError
from telemetry_platform.local import process
from telemetry_platform.local.broker import answers
from telemetry_platform.local.jars import jars_are_there
from telemetry_platform.local.java import HOW_TO_GET, java_program
from telemetry_platform.local.services import services
from telemetry_platform.local.stack import LEAST_FREE_BYTES, status
from telemetry_platform.settings import Settings
from telemetry_platform.topics import TOPICS, check_topics

# Broker, streaming job, one batch session and Dagster together, each with its usual heap.
LEAST_MEMORY_BYTES = 6 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` says how to get what is missing."""

    name: str
    ok: bool
    required: bool
    found: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at Python, Java, jars, disk, memory, ports and optional programs; changes nothing."""
    machine = [_python(), _java(), _jars(settings), _disk(settings), _memory(), *_ports(settings)]
    return [*machine, *_topics(settings), _prometheus()]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", sys.version_info >= (3, 11), True, version, "Install Python 3.11 or newer.")


def _java() -> Finding:
    try:
        return Finding("java", True, True, str(java_program()))
    except TelemetryError as error:
        return Finding("java", False, True, str(error), HOW_TO_GET)


def _jars(settings: Settings) -> Finding:
    there = jars_are_there(settings)
    found = str(settings.jars_dir) if there else f"not complete in {settings.jars_dir}"
    return Finding("jars", there, True, found, "Run `make setup`.")


def _disk(settings: Settings) -> Finding:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    remedy = f"Free {LEAST_FREE_BYTES // 1024**2} MiB, or set TELEMETRY_HOME to a larger disk."
    return Finding("disk", free >= LEAST_FREE_BYTES, True, f"{free // 1024**2} MiB free under {folder}", remedy)


def _memory() -> Finding:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    remedy = "Lower TELEMETRY_SPARK_DRIVER_MEMORY, or start less: `telemetry up --without dagster`."
    return Finding("memory", size >= LEAST_MEMORY_BYTES, False, f"{size // 1024**2} MiB", remedy)


def _ports(settings: Settings) -> list[Finding]:
    running = {service.name for service in status(settings) if service.pid is not None}
    findings = []
    for service in services(settings):
        for port, setting in service.ports.items():
            ours = service.name in running
            free = ours or process.port_is_free(port)
            found = f"{port} {'used by this stack' if ours else 'free' if free else 'taken'}"
            if not free:
                found = f"{found} by {process.listener_of(port) or 'a process of someone else'}"
            findings.append(Finding(f"port of {service.name}", free, True, found, f"End it, or set {setting}."))
    return findings


def _topics(settings: Settings) -> list[Finding]:
    """One finding per setting of a topic that voids or weakens the promise; only the former is required."""
    if settings.has_own_broker and (process.port_is_free(settings.kafka_port) or not answers(settings.kafka)):
        return [Finding("topics", True, False, "not looked at: the stack's broker does not run")]
    try:
        found = check_topics(settings)
    except KafkaException as error:
        remedy = "Start it, or set TELEMETRY_KAFKA to another; it must allow DescribeConfigs on the topics."
        return [Finding("topics", False, True, f"{settings.kafka} does not tell: {error}", remedy)]
    return [
        Finding(f"topic {fault.topic}: {fault.setting}", False, fault.is_error, _found(fault), fault.command)
        for fault in found
    ] or [Finding("topics", True, False, f"{', '.join(TOPICS)} keep the contract")]


def _found(fault: Fault) -> str:
    return f"{fault.found}, should be {fault.expected}: {fault.why}"


def _prometheus() -> Finding:
    path = shutil.which("prometheus")
    return Finding(
        "prometheus", path is not None, False, path or "not installed", "Debian: `apt-get install prometheus`."
    )

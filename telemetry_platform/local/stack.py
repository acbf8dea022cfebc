"""The local stack as a whole: up, down, status."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from telemetry_platform.errors import PortTakenError, StackError
from telemetry_platform.local import broker, process
from telemetry_platform.local.foreign import foreign_dagster
from telemetry_platform.local.jars import ensure_jars
from telemetry_platform.local.services import Service, environment_of, prepare_dagster_home, services
from telemetry_platform.settings import PROJECT_ROOT, Settings

__all__ = ["Report", "ServiceStatus", "cpu_seconds", "down", "prepare_dagster_home", "status", "up"]

Report = Callable[[str], None]

START_SECONDS = 120
LEAST_FREE_BYTES = 2 * 1024**3
LOG_TAIL_LINES = 15


@dataclass(frozen=True)
class ServiceStatus:
    """A service as `telemetry status` shows it; `pid` is None when it does not run."""

    name: str
    url: str
    pid: int | None
    healthy: bool


def up(settings: Settings, *, without: frozenset[str] = frozenset(), report: Report = lambda line: None) -> None:
    """Start what does not run yet and wait until all of it works.

    Raises PortTakenError, StackError or MissingProgramError; what this call started is then ended again.
    """
    ensure_jars(settings)
    _require_space(settings)
    wanted = services(settings, without)
    missing = [service for service in wanted if not process.is_alive(_record(settings, service))]
    _require_free_ports(missing)
    if any(service.name == "dagster" for service in missing):
        _refuse_second_dagster(settings)
    for service in wanted:
        if service not in missing:
            report(f"{service.name} is already running")
    started: list[Service] = []
    try:
        _start(settings, [service for service in missing if not service.needs_broker], started)
        _wait(settings, [service for service in wanted if service.name == "broker"], report)
        broker.ensure_topics(settings)
        _start(settings, [service for service in missing if service.needs_broker], started)
        _wait(settings, [service for service in wanted if service.name != "broker"], report)
    except BaseException:
        _stop(settings, started)
        raise


def down(settings: Settings, *, report: Report = lambda line: None) -> None:
    """End every service of this home, the ones that write first and the broker last."""
    running = [service for service in services(settings) if _record(settings, service) is not None]
    _stop(settings, running, report)


def status(settings: Settings) -> list[ServiceStatus]:
    """Each service with its pid and whether it works now."""
    found = []
    for service in reversed(services(settings)):
        record = _record(settings, service)
        alive = process.is_alive(record)
        found.append(
            ServiceStatus(
                service.name, service.url, record.pid if alive and record else None, alive and service.is_healthy()
            )
        )
    return found


def cpu_seconds(settings: Settings) -> dict[str, float]:
    """CPU seconds each running service has used since it started."""
    used = {}
    for service in services(settings):
        record = _record(settings, service)
        if record is not None and process.is_alive(record):
            used[service.name] = process.group_cpu_seconds(record.pid)
    return used


def log_path(settings: Settings, name: str) -> Path:
    """Log file of a service."""
    return settings.logs_dir / f"{name}.log"


def _record_path(settings: Settings, service: Service) -> Path:
    return settings.run_dir / f"{service.name}.json"


def _record(settings: Settings, service: Service) -> process.Record | None:
    return process.read_record(_record_path(settings, service))


def _start(settings: Settings, chosen: Sequence[Service], started: list[Service]) -> None:
    environment = environment_of(settings)
    for service in chosen:
        process.start(
            service.command(),
            log=log_path(settings, service.name),
            record=_record_path(settings, service),
            environment=environment,
            folder=PROJECT_ROOT,
        )
        started.append(service)


def _wait(settings: Settings, chosen: Sequence[Service], report: Report) -> None:
    waiting = list(chosen)
    deadline = time.monotonic() + START_SECONDS
    while waiting:
        for service in list(waiting):
            if not process.is_alive(_record(settings, service)):
                raise StackError(f"{service.name} ended while it started. {_tail(settings, service.name)}")
            if service.is_healthy():
                report(f"{service.name} {service.url}")
                waiting.remove(service)
        if waiting and time.monotonic() > deadline:
            names = ", ".join(service.name for service in waiting)
            raise StackError(f"{names} did not answer in {START_SECONDS} s. {_tail(settings, waiting[0].name)}")
        time.sleep(0.1)


def _stop(settings: Settings, chosen: Sequence[Service], report: Report = lambda line: None) -> None:
    order = {service.name: place for place, service in enumerate(services(settings))}
    for service in sorted(chosen, key=lambda one: order[one.name]):
        record = _record(settings, service)
        if record is not None:
            process.end(record, grace_seconds=service.grace_seconds)
            report(f"{service.name} ended")
        _record_path(settings, service).unlink(missing_ok=True)


def _require_free_ports(chosen: Sequence[Service]) -> None:
    for service in chosen:
        for port, setting in service.ports.items():
            if not process.port_is_free(port):
                holder = process.listener_of(port)
                raise PortTakenError(
                    f"{service.name} needs port {port}, which is taken{f' by {holder}' if holder else ''}. "
                    f"End that process, or set {setting} to a free port."
                )


def _require_space(settings: Settings) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    if free < LEAST_FREE_BYTES:
        raise StackError(
            f"Only {free // 1024**2} MiB are free under {settings.home}; "
            f"the stack needs {LEAST_FREE_BYTES // 1024**2}. Free some, or set TELEMETRY_HOME to a larger disk."
        )


def _refuse_second_dagster(settings: Settings) -> None:
    other = foreign_dagster(settings)
    if other is not None:
        raise StackError(
            f"Another Dagster already works on this storage (pid {other}): two daemons would start every run twice. "
            "End it, or use `telemetry up --without dagster`."
        )


def _tail(settings: Settings, name: str) -> str:
    path = log_path(settings, name)
    lines = path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if path.exists() else []
    return "\n".join([f"Its log {path} ends with:", *lines])

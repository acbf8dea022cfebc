"""The local stack as a whole: up, down, status."""

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from telemetry_platform.errors import PortTakenError, StackError
from telemetry_platform.local import broker, logs, process
from telemetry_platform.local.environment import environment_of
from telemetry_platform.local.foreign import foreign_dagster
from telemetry_platform.local.jars import ensure_jars
from telemetry_platform.local.services import Service, prepare_dagster_home, services
from telemetry_platform.settings import PROJECT_ROOT, Settings

__all__ = ["Report", "ServiceStatus", "cpu_seconds", "down", "prepare_dagster_home", "status", "up"]

Report = Callable[[str], None]

START_SECONDS = 120
END_SECONDS = 30
LEAST_FREE_BYTES = 2 * 1024**3
LOG_TAIL_LINES = 15


class _Dying(StackError):
    """A service that was thought to run has ended."""


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
    _require_space(settings)
    wanted = services(settings, without)
    with _alone(settings):
        try:
            _up(settings, wanted, report)
        except _Dying as service:
            # It was killed a moment ago, and was not dead yet when it was looked for.
            report(f"{service} has ended: starting it again")
            _up(settings, wanted, report)


def _up(settings: Settings, wanted: Sequence[Service], report: Report) -> None:
    missing = [service for service in wanted if not process.is_alive(_record(settings, service.name))]
    # What a killed process left behind would hold its port, its storage or its checkpoint.
    _stop(settings, [service.name for service in missing])
    _require_free_ports(missing)
    if any(service.name == "dagster" for service in missing):
        _refuse_second_dagster(settings)
    ensure_jars(settings)
    for service in wanted:
        if service not in missing:
            report(f"{service.name} is already running")
    _bring_up(settings, wanted, missing, report)


def _bring_up(settings: Settings, wanted: Sequence[Service], missing: Sequence[Service], report: Report) -> None:
    try:
        _start(settings, [service for service in missing if not service.needs_broker])
        _wait(settings, [service for service in wanted if service.name == "broker"], missing, report)
        if any(service.name == "broker" or service.needs_broker for service in wanted):
            for line in broker.ensure_topics(settings):
                report(line)
        _start(settings, [service for service in missing if service.needs_broker])
        _wait(settings, [service for service in wanted if service.name != "broker"], missing, report)
    except BaseException:
        _stop(settings, [service.name for service in missing])
        raise


def down(settings: Settings, *, report: Report = lambda line: None) -> None:
    """End every process this home has a record of, the ones that write first and the broker last."""
    with _alone(settings):
        _stop(settings, [path.stem for path in settings.run_dir.glob("*.json")], report)


def status(settings: Settings) -> list[ServiceStatus]:
    """Each service that was started and not ended since, with its pid and whether it works now.

    With nothing started, all of them are shown, so that an empty stack does not look like a healthy one.
    """
    known = services(settings)
    should_run = [service for service in known if _record(settings, service.name) is not None]
    return [_status_of(settings, service) for service in should_run or known]


def _status_of(settings: Settings, service: Service) -> ServiceStatus:
    record = _record(settings, service.name)
    alive = process.is_alive(record)
    pid = record.pid if alive and record else None
    return ServiceStatus(service.name, service.url, pid, alive and service.is_healthy())


def cpu_seconds(settings: Settings) -> dict[str, float]:
    """CPU seconds each running service has used since it started."""
    used = {}
    for service in services(settings):
        record = _record(settings, service.name)
        if record is not None and process.is_alive(record):
            used[service.name] = process.group_cpu_seconds(record.pid)
    return used


def log_path(settings: Settings, name: str) -> Path:
    """Log file of a service."""
    return settings.logs_dir / f"{name}.log"


def _record_path(settings: Settings, name: str) -> Path:
    return settings.run_dir / f"{name}.json"


def _record(settings: Settings, name: str) -> process.Record | None:
    return process.read_record(_record_path(settings, name))


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold this home's lock: two commands at once would start everything twice."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    with (settings.run_dir / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"Another `telemetry up` or `down` is at work on {settings.home}: wait for it, or end it."
            ) from None
        yield


def _start(settings: Settings, chosen: Sequence[Service]) -> None:
    environment = environment_of(settings)
    for service in chosen:
        log = log_path(settings, service.name)
        # Of a stack that ran without any of the processes that look after the logs.
        if log.exists():
            logs.rotate(log)
        process.start(
            service.command(),
            log=log,
            record=_record_path(settings, service.name),
            environment=environment,
            folder=PROJECT_ROOT,
        )


def _wait(settings: Settings, chosen: Sequence[Service], started: Sequence[Service], report: Report) -> None:
    waiting = list(chosen)
    deadline = time.monotonic() + START_SECONDS
    while waiting:
        for service in list(waiting):
            if not process.is_alive(_record(settings, service.name)):
                if service not in started:
                    raise _Dying(service.name)
                raise StackError(f"{service.name} ended while it started. {_tail(settings, service.name)}")
            if service.is_healthy():
                report(f"{service.name} {service.url}")
                waiting.remove(service)
        if waiting and time.monotonic() > deadline:
            names = ", ".join(service.name for service in waiting)
            raise StackError(f"{names} did not answer in {START_SECONDS} s. {_tail(settings, waiting[0].name)}")
        time.sleep(0.1)


def _stop(settings: Settings, names: Sequence[str], report: Report = lambda line: None) -> None:
    """End what runs of `names`: what writes to the warehouse or the broker at once, then those two."""
    records = {name: record for name in names if (record := _record(settings, name)) is not None}
    servers = [name for name in ("warehouse", "broker") if name in records]
    clients = [name for name in records if name not in servers]
    for wave in (clients, *([name] for name in servers)):
        for name in wave:
            process.ask_to_end(records[name])
        for name in wave:
            process.end(records[name], grace_seconds=END_SECONDS)
            _record_path(settings, name).unlink(missing_ok=True)
            report(f"{name} ended")


def _require_free_ports(chosen: Sequence[Service]) -> None:
    users: dict[int, str] = {}
    for service in chosen:
        for port, setting in service.ports.items():
            if port in users:
                raise PortTakenError(f"{users[port]} and {setting} are both {port}: give each a port of its own.")
            users[port] = setting
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
    return "\n".join([f"Its log {path} ends with:", *logs.last_lines(path, LOG_TAIL_LINES)])

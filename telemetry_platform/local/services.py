"""The processes of the local stack: how each is run, where it listens, how one knows that it works."""

import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from telemetry_platform.local import broker, process
from telemetry_platform.settings import PROJECT_ROOT, Settings

HEALTH_SECONDS = 2
LOOPBACK = "127.0.0.1"
DEFAULT_HOME = ".telemetry/"


@dataclass(frozen=True)
class Service:
    """One process: `ports` maps each port it listens on to the setting that changes it."""

    name: str
    command: Callable[[], list[str]]
    ports: dict[int, str]
    url: str
    is_healthy: Callable[[], bool]
    needs_broker: bool = False


def services(settings: Settings, without: frozenset[str] = frozenset()) -> list[Service]:
    """Services of these settings, in the order they start; what points elsewhere is not run."""
    chosen = [_broker(settings)] if settings.has_own_broker else []
    if settings.warehouse.is_stand_in and settings.warehouse.host == LOOPBACK:
        chosen.append(_warehouse(settings))
    chosen += [_collector(settings), _bronze(settings), _dagster(settings)]
    return [service for service in chosen if service.name not in without]


def prepare_dagster_home(settings: Settings) -> Path:
    """Render the repository's dagster.yaml with its paths under the home; returns the folder for DAGSTER_HOME."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    rendered = yaml.safe_dump(_under(settings.home, yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text())))
    target = settings.dagster_home / "dagster.yaml"
    if not target.exists() or target.read_text() != rendered:
        target.write_text(rendered)
    return settings.dagster_home


def _under(home: Path, value: Any) -> Any:
    """`value` with each path in the default home moved to `home`."""
    if isinstance(value, dict):
        return {name: _under(home, inner) for name, inner in value.items()}
    if isinstance(value, str) and value.startswith(DEFAULT_HOME):
        return str(home / value.removeprefix(DEFAULT_HOME))
    return value


def _broker(settings: Settings) -> Service:
    return Service(
        name="broker",
        command=lambda: broker.prepare_broker(settings),
        ports={
            settings.kafka_port: "TELEMETRY_KAFKA_PORT",
            settings.kafka_controller_port: "TELEMETRY_KAFKA_CONTROLLER_PORT",
        },
        url=f"kafka://127.0.0.1:{settings.kafka_port}",
        is_healthy=lambda: not process.port_is_free(settings.kafka_port) and broker.answers(settings.kafka),
    )


def _warehouse(settings: Settings) -> Service:
    url = f"http://127.0.0.1:{settings.warehouse_port}"
    module = "telemetry_platform.local.snowflake_stand_in"
    data = settings.home / "warehouse"
    return Service(
        name="warehouse",
        command=lambda: [
            *_python(module),
            "--port",
            str(settings.warehouse_port),
            "--data",
            str(data),
        ],
        ports={settings.warehouse_port: "TELEMETRY_WAREHOUSE_PORT"},
        url=url,
        # Fakesnow has no health page: any answer of its HTTP server will do.
        is_healthy=lambda: _http_status(url) is not None,
    )


def _collector(settings: Settings) -> Service:
    return Service(
        name="collector",
        command=lambda: _python("telemetry_platform.collector"),
        ports={settings.collector_port: "TELEMETRY_COLLECTOR_PORT"},
        url=settings.collector_url,
        is_healthy=lambda: _http_status(f"{settings.collector_url}/readyz") == 200,
        needs_broker=True,
    )


def _bronze(settings: Settings) -> Service:
    url = f"http://127.0.0.1:{settings.bronze_metrics_port}/metrics"
    return Service(
        name="bronze",
        command=lambda: _python("streaming.bronze_events"),
        ports={settings.bronze_metrics_port: "TELEMETRY_BRONZE_METRICS_PORT"},
        url=url,
        is_healthy=lambda: _http_status(url) == 200,
        needs_broker=True,
    )


def _dagster(settings: Settings) -> Service:
    def command() -> list[str]:
        prepare_dagster_home(settings)
        program = str(Path(sys.executable).with_name("dagster"))
        where = ["-h", "127.0.0.1", "-p", str(settings.dagster_port)]
        return [program, "dev", *where, "-w", str(PROJECT_ROOT / "workspace.yaml")]

    return Service(
        name="dagster",
        command=command,
        ports={settings.dagster_port: "TELEMETRY_DAGSTER_PORT"},
        url=settings.dagster_url,
        is_healthy=lambda: _http_status(f"{settings.dagster_url}/server_info") == 200,
    )


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", "telemetry_platform.local.logs", module]


def _http_status(url: str) -> int | None:
    """Status of a GET, or None when nothing answers in time."""
    try:
        with urllib.request.urlopen(url, timeout=HEALTH_SECONDS) as answer:  # noqa: S310 - loopback, from settings
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None

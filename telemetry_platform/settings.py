"""Environment to one frozen settings object; nothing else in the product reads the environment."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from dotenv import dotenv_values

from telemetry_platform.errors import SettingsError

PROJECT_ROOT = Path(__file__).resolve().parent.parent

EVENTS_TOPIC = "telemetry.events.v1"
REJECTED_TOPIC = "telemetry.rejected.v1"

# Variable of each of the `Limits` a user can set.
LIMIT_VARIABLES = {
    "body_bytes": "TELEMETRY_MAX_BODY_BYTES",
    "decompressed_bytes": "TELEMETRY_MAX_DECOMPRESSED_BYTES",
    "events": "TELEMETRY_MAX_EVENTS",
    "event_bytes": "TELEMETRY_MAX_EVENT_BYTES",
    "depth": "TELEMETRY_MAX_DEPTH",
    "body_seconds": "TELEMETRY_BODY_SECONDS",
    "head_seconds": "TELEMETRY_HEAD_SECONDS",
    "connections": "TELEMETRY_MAX_CONNECTIONS",
    "in_flight_bytes": "TELEMETRY_MAX_IN_FLIGHT_BYTES",
}

# No run and no copy to the warehouse works for longer on files that a newer version no longer names.
LEAST_VACUUM_HOURS = 24

STAND_IN_ACCOUNT = "stand_in"


@dataclass(frozen=True)
class Limits:
    """Bounds of one request to the collector, in bytes, events and seconds; nesting counts the event object itself.

    An event between `event_bytes` and `kept_bytes` is kept as a reject; a larger one refuses the request.
    `connections` are those open at one time; the process's limit of open files can make them fewer.
    `in_flight_bytes` bounds the bodies that are being worked on at one time, all games together.
    """

    body_bytes: int = 4 * 1024**2
    decompressed_bytes: int = 32 * 1024**2
    events: int = 1000
    event_bytes: int = 32 * 1024
    kept_bytes: int = 512 * 1024
    depth: int = 16
    body_seconds: int = 30
    head_seconds: int = 10
    connections: int = 4000
    in_flight_bytes: int = 128 * 1024**2


@dataclass(frozen=True)
class EdgeSettings:
    """How the collector meets the internet: whose pages may send, what a proxy tells, what is logged."""

    limits: Limits
    cors_origins: frozenset[str]
    country_header: str | None
    has_access_log: bool


@dataclass(frozen=True)
class WarehouseSettings:
    """Where Snowflake is: the account, or the stand-in when no account is set."""

    account: str
    user: str
    password: str | None
    private_key_path: str | None
    role: str | None
    compute_warehouse: str | None
    database: str
    host: str | None
    port: int
    protocol: str

    @property
    def is_stand_in(self) -> bool:
        """Whether this is the stand-in, on this machine or, in containers, on another host."""
        return self.account == STAND_IN_ACCOUNT


@dataclass(frozen=True)
class Settings:
    """Everything a user can set, resolved: absolute paths, parsed numbers and days.

    `TELEMETRY_HOME` holds all data and state of the local stack, so that a second stack needs only
    another home and other ports.
    """

    home: Path
    lake: str
    games_dir: Path
    jars_dir: Path
    java_home: Path | None
    start_date: date
    kafka: str
    has_own_broker: bool
    kafka_port: int
    kafka_controller_port: int
    kafka_partitions: int
    kafka_retention_days: int
    collector_host: str
    collector_port: int
    edge: EdgeSettings
    warehouse_port: int
    dagster_port: int
    bronze_metrics_host: str
    bronze_metrics_port: int
    bronze_batch_records: int
    bronze_trigger_seconds: int
    bronze_compact_commits: int
    vacuum_hours: int
    snapshot_days: int
    run_days: int
    lateness_horizon_days: int
    spark_master: str
    spark_driver_memory: str
    spark_shuffle_partitions: int
    warehouse: WarehouseSettings

    @property
    def keys_dir(self) -> Path:
        """Hashed write and import keys, apart from the games folder, which is under version control."""
        return self.home / "keys"

    @property
    def logs_dir(self) -> Path:
        """One log file per process of the local stack."""
        return self.home / "logs"

    @property
    def run_dir(self) -> Path:
        """Process records of the local stack."""
        return self.home / "run"

    @property
    def checkpoints_dir(self) -> str:
        """Streaming checkpoints, beside the lake they belong to."""
        return f"{self.lake}/_checkpoints"

    @property
    def dagster_home(self) -> Path:
        """Dagster's storage: runs, event logs, schedules, compute logs."""
        return self.home / "dagster"

    @property
    def manifests_dir(self) -> Path:
        """What the simulator planted, one file per run, written before it sends."""
        return self.home / "simulator"

    @property
    def collector_url(self) -> str:
        """Address clients send to."""
        host = "127.0.0.1" if self.collector_host in {"0.0.0.0", ""} else self.collector_host  # noqa: S104
        return f"http://{host}:{self.collector_port}"

    @property
    def dagster_url(self) -> str:
        """Address of the Dagster UI."""
        return f"http://127.0.0.1:{self.dagster_port}"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Resolve settings from `environment`; raises SettingsError naming the variable at fault."""
    home = Path(environment.get("TELEMETRY_HOME", PROJECT_ROOT / ".telemetry")).expanduser().absolute()
    kafka_port = _port(environment, "TELEMETRY_KAFKA_PORT", 9092)
    warehouse_port = _port(environment, "TELEMETRY_WAREHOUSE_PORT", 8085)
    return Settings(
        home=home,
        lake=_lake(environment.get("TELEMETRY_LAKE"), home),
        games_dir=Path(environment.get("TELEMETRY_GAMES", home / "games")).expanduser().absolute(),
        jars_dir=Path(environment.get("TELEMETRY_JARS", PROJECT_ROOT / ".jars")).expanduser().absolute(),
        java_home=Path(environment["JAVA_HOME"]) if environment.get("JAVA_HOME") else None,
        start_date=_day(environment, "TELEMETRY_START_DATE", date(2023, 1, 1)),
        kafka=environment.get("TELEMETRY_KAFKA", f"127.0.0.1:{kafka_port}"),
        has_own_broker="TELEMETRY_KAFKA" not in environment,
        kafka_port=kafka_port,
        kafka_controller_port=_port(environment, "TELEMETRY_KAFKA_CONTROLLER_PORT", 9093),
        kafka_partitions=_whole(environment, "TELEMETRY_KAFKA_PARTITIONS", 4),
        kafka_retention_days=_whole(environment, "TELEMETRY_KAFKA_RETENTION_DAYS", 30),
        collector_host=environment.get("TELEMETRY_COLLECTOR_HOST", "127.0.0.1"),
        collector_port=_port(environment, "TELEMETRY_COLLECTOR_PORT", 8080),
        edge=_edge(environment),
        warehouse_port=warehouse_port,
        dagster_port=_port(environment, "TELEMETRY_DAGSTER_PORT", 3000),
        bronze_metrics_host=environment.get("TELEMETRY_BRONZE_METRICS_HOST", "127.0.0.1"),
        bronze_metrics_port=_port(environment, "TELEMETRY_BRONZE_METRICS_PORT", 9108),
        bronze_batch_records=_whole(environment, "TELEMETRY_BRONZE_BATCH_RECORDS", 500_000),
        bronze_trigger_seconds=_whole(environment, "TELEMETRY_BRONZE_TRIGGER_SECONDS", 8),
        bronze_compact_commits=_whole(environment, "TELEMETRY_BRONZE_COMPACT_COMMITS", 100),
        vacuum_hours=_whole(environment, "TELEMETRY_VACUUM_HOURS", 168, least=LEAST_VACUUM_HOURS),
        snapshot_days=_whole(environment, "TELEMETRY_SNAPSHOT_DAYS", 400),
        run_days=_whole(environment, "TELEMETRY_RUN_DAYS", 90),
        lateness_horizon_days=_whole(environment, "TELEMETRY_LATENESS_HORIZON_DAYS", 30),
        spark_master=environment.get("TELEMETRY_SPARK_MASTER", "local[2]"),
        spark_driver_memory=environment.get("TELEMETRY_SPARK_DRIVER_MEMORY", "2g"),
        spark_shuffle_partitions=_whole(environment, "TELEMETRY_SPARK_SHUFFLE_PARTITIONS", 2),
        warehouse=_warehouse(environment, warehouse_port),
    )


@cache
def current_settings() -> Settings:
    """Settings of this process: `.env` of the working directory, overridden by the environment."""
    from_file = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    return read_settings({**from_file, **os.environ})  # noqa: TID251 - the one place


def process_environment(**changes: str) -> dict[str, str]:
    """This process's environment with `changes`, for the processes the stack starts."""
    return {**os.environ, **changes}  # noqa: TID251 - the one place


def use_this_python_for_spark() -> None:
    """Let Spark's Python workers be this interpreter: by default they are whatever `python3` is on the path."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # noqa: TID251 - the one place


def _warehouse(environment: Mapping[str, str], port: int) -> WarehouseSettings:
    account = environment.get("SNOWFLAKE_ACCOUNT")
    if account is None:
        return WarehouseSettings(
            account=STAND_IN_ACCOUNT,
            user="telemetry",
            password="stand-in",  # noqa: S106 - the stand-in checks no password and is never published
            private_key_path=None,
            role=None,
            compute_warehouse=None,
            database=environment.get("SNOWFLAKE_DATABASE", "TELEMETRY"),
            host=environment.get("TELEMETRY_WAREHOUSE_HOST", "127.0.0.1"),
            port=port,
            protocol="http",
        )
    for name in ("SNOWFLAKE_USER", "SNOWFLAKE_PRIVATE_KEY_PATH"):
        if name not in environment:
            raise SettingsError(f"SNOWFLAKE_ACCOUNT is set but {name} is not: set it to use that account.")
    return WarehouseSettings(
        account=account,
        user=environment["SNOWFLAKE_USER"],
        password=None,
        private_key_path=environment["SNOWFLAKE_PRIVATE_KEY_PATH"],
        role=environment.get("SNOWFLAKE_ROLE"),
        compute_warehouse=environment.get("SNOWFLAKE_WAREHOUSE"),
        database=environment.get("SNOWFLAKE_DATABASE", "TELEMETRY"),
        host=environment.get("SNOWFLAKE_HOST"),
        port=int(environment.get("SNOWFLAKE_PORT", "443")),
        protocol=environment.get("SNOWFLAKE_PROTOCOL", "https"),
    )


def _edge(environment: Mapping[str, str]) -> EdgeSettings:
    limits = Limits(
        **{name: _whole(environment, variable, getattr(Limits, name)) for name, variable in LIMIT_VARIABLES.items()}
    )
    if limits.event_bytes > Limits.kept_bytes:
        raise SettingsError(
            f"TELEMETRY_MAX_EVENT_BYTES={limits.event_bytes} is more than Kafka takes in a record here: "
            f"use at most {Limits.kept_bytes}."
        )
    origins = environment.get("TELEMETRY_CORS_ORIGINS", "*")
    return EdgeSettings(
        limits=limits,
        cors_origins=frozenset(origin.strip().rstrip("/") for origin in origins.split(",") if origin.strip()),
        country_header=environment.get("TELEMETRY_COUNTRY_HEADER", "").strip().lower() or None,
        has_access_log=_switch(environment, "TELEMETRY_ACCESS_LOG", default=True),
    )


def _switch(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environment.get(name, "on" if default else "off").lower()
    if text not in {"on", "off"}:
        raise SettingsError(f"{name}={text!r} is neither on nor off.")
    return text == "on"


def _lake(value: str | None, home: Path) -> str:
    if value is None:
        return str(home / "lake")
    return value.rstrip("/") if "://" in value else str(Path(value).expanduser().absolute())


def _whole(environment: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    text = environment.get(name, str(default))
    if not text.isdigit() or int(text) < least:
        raise SettingsError(f"{name}={text!r} is not a whole number above {least - 1}.")
    return int(text)


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    port = _whole(environment, name, default)
    if port > 65535:
        raise SettingsError(f"{name}={port} is not a port: use 1 to 65535.")
    return port


def _day(environment: Mapping[str, str], name: str, default: date) -> date:
    text = environment.get(name)
    if text is None:
        return default
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r} is not a day: write it as YYYY-MM-DD.") from None

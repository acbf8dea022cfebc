import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from telemetry_platform.errors import MissingProgramError, PortTakenError, StackError
from telemetry_platform.local import java, process, stack
from telemetry_platform.local.broker import broker_properties
from telemetry_platform.local.environment import environment_of
from telemetry_platform.local.services import prepare_dagster_home, services
from telemetry_platform.settings import Settings, read_settings

CHANGED = {
    "TELEMETRY_HOME": "/tmp/other home",
    "TELEMETRY_LAKE": "s3a://bucket/lake",
    "TELEMETRY_GAMES": "/tmp/games",
    "TELEMETRY_JARS": "/tmp/jars",
    "JAVA_HOME": "/opt/java",
    "TELEMETRY_START_DATE": "2024-05-06",
    "TELEMETRY_KAFKA": "kafka.example:9092",
    "TELEMETRY_KAFKA_PORT": "19092",
    "TELEMETRY_KAFKA_CONTROLLER_PORT": "19093",
    "TELEMETRY_KAFKA_PARTITIONS": "7",
    "TELEMETRY_KAFKA_RETENTION_DAYS": "14",
    "TELEMETRY_COLLECTOR_HOST": "127.0.0.2",
    "TELEMETRY_COLLECTOR_PORT": "18080",
    "TELEMETRY_MAX_BODY_BYTES": "1001",
    "TELEMETRY_MAX_DECOMPRESSED_BYTES": "1002",
    "TELEMETRY_MAX_EVENTS": "103",
    "TELEMETRY_MAX_EVENT_BYTES": "1004",
    "TELEMETRY_MAX_DEPTH": "5",
    "TELEMETRY_BODY_SECONDS": "6",
    "TELEMETRY_HEAD_SECONDS": "8",
    "TELEMETRY_MAX_CONNECTIONS": "1009",
    "TELEMETRY_MAX_IN_FLIGHT_BYTES": "1007",
    "TELEMETRY_CORS_ORIGINS": "https://b.example,https://a.example",
    "TELEMETRY_COUNTRY_HEADER": "cf-ipcountry",
    "TELEMETRY_ACCESS_LOG": "off",
    "TELEMETRY_WAREHOUSE_PORT": "18085",
    "TELEMETRY_DAGSTER_PORT": "13000",
    "TELEMETRY_BRONZE_METRICS_HOST": "127.0.0.3",
    "TELEMETRY_BRONZE_METRICS_PORT": "19108",
    "TELEMETRY_BRONZE_BATCH_RECORDS": "123",
    "TELEMETRY_BRONZE_TRIGGER_SECONDS": "7",
    "TELEMETRY_BRONZE_COMPACT_COMMITS": "8",
    "TELEMETRY_VACUUM_HOURS": "169",
    "TELEMETRY_SNAPSHOT_DAYS": "401",
    "TELEMETRY_RUN_DAYS": "91",
    "TELEMETRY_LATENESS_HORIZON_DAYS": "12",
    "TELEMETRY_SPARK_MASTER": "local[7]",
    "TELEMETRY_SPARK_DRIVER_MEMORY": "3g",
    "TELEMETRY_SPARK_SHUFFLE_PARTITIONS": "9",
    "TELEMETRY_WAREHOUSE_HOST": "warehouse.example",
    "SNOWFLAKE_DATABASE": "OTHER",
}
ACCOUNT = {
    "SNOWFLAKE_ACCOUNT": "studio",
    "SNOWFLAKE_USER": "loader",
    "SNOWFLAKE_PRIVATE_KEY_PATH": "/tmp/key.p8",
    "SNOWFLAKE_ROLE": "WRITER",
    "SNOWFLAKE_WAREHOUSE": "SMALL",
    "SNOWFLAKE_HOST": "studio.example",
    "SNOWFLAKE_PORT": "8443",
    "SNOWFLAKE_PROTOCOL": "http",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"TELEMETRY_HOME": str(tmp_path)})


@pytest.mark.parametrize("variables", [{}, CHANGED, CHANGED | ACCOUNT])
def test_a_child_resolves_the_settings_of_its_parent(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TELEMETRY_KAFKA", "left over from the shell")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    expected = read_settings(variables)
    assert read_settings(environment_of(expected)) == expected


def test_every_setting_is_among_those_that_are_passed_on():
    default, changed = read_settings({}), read_settings(CHANGED)
    same = {field.name for field in fields(Settings) if getattr(default, field.name) == getattr(changed, field.name)}
    assert same == set(), "a new setting: pass it on in environment_of and change it in CHANGED"


def test_what_points_elsewhere_is_not_run(settings: Settings):
    assert [service.name for service in services(settings)] == ["broker", "warehouse", "collector", "bronze", "dagster"]
    assert [service.name for service in services(read_settings(CHANGED))] == ["collector", "bronze", "dagster"]
    account = read_settings(ACCOUNT)
    assert "warehouse" not in [service.name for service in services(account)]


def test_the_broker_listens_on_loopback_keeps_its_data_under_the_home_and_for_a_month(tmp_path: Path):
    settings = read_settings(
        {
            "TELEMETRY_HOME": str(tmp_path),
            "TELEMETRY_KAFKA_PORT": "19092",
            "TELEMETRY_KAFKA_CONTROLLER_PORT": "19093",
            "TELEMETRY_KAFKA_PARTITIONS": "7",
        }
    )
    properties = dict(line.split("=", 1) for line in broker_properties(settings).splitlines())
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:19092"
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:19093"
    assert properties["log.dirs"] == f"{tmp_path}/kafka/data"
    assert properties["log.retention.hours"] == "720"
    assert properties["num.partitions"] == "7"
    assert properties["offsets.topic.replication.factor"] == "1"


@pytest.mark.parametrize("name", ["home", "a home: with # signs"])
def test_dagsters_storage_lies_under_the_home_and_its_other_settings_stay(tmp_path: Path, name: str):
    home = tmp_path / name
    folder = prepare_dagster_home(read_settings({"TELEMETRY_HOME": str(home)}))
    rendered = yaml.safe_load((folder / "dagster.yaml").read_text())
    assert rendered["storage"]["sqlite"]["base_dir"] == f"{home}/dagster/storage"
    assert rendered["local_artifact_storage"]["config"]["base_dir"].startswith(f"{home}/dagster/")
    assert rendered["compute_logs"]["config"]["base_dir"].startswith(f"{home}/dagster/")
    assert rendered["telemetry"] == {"enabled": False}
    assert rendered["nux"] == {"enabled": False}


def test_two_services_on_one_port_are_refused(tmp_path: Path):
    same = {"TELEMETRY_DAGSTER_PORT": "18999", "TELEMETRY_COLLECTOR_PORT": "18999"}
    settings = read_settings({"TELEMETRY_HOME": str(tmp_path)} | same)
    with pytest.raises(PortTakenError, match="TELEMETRY_COLLECTOR_PORT and TELEMETRY_DAGSTER_PORT are both 18999"):
        stack.up(settings, without=frozenset({"broker", "warehouse", "bronze"}))


def test_a_full_disk_is_said_before_anything_starts(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stack, "LEAST_FREE_BYTES", 2**63)
    with pytest.raises(StackError, match=r"Only \d+ MiB are free under .*TELEMETRY_HOME"):
        stack.up(settings)
    assert not settings.run_dir.exists()


def test_two_commands_at_once_are_refused(settings: Settings):
    with stack._alone(settings), pytest.raises(StackError, match="Another `telemetry up` or `down` is at work"):
        stack.down(settings)


def test_nothing_started_shows_every_service_as_down(settings: Settings):
    found = stack.status(settings)
    assert [(service.pid, service.healthy) for service in found] == [(None, False)] * 5
    assert found[0].url == "kafka://127.0.0.1:9092"


@pytest.fixture
def java_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """`java_program` with JAVA_HOME at the given folder."""

    def find(home: Path) -> Path:
        monkeypatch.setattr(java, "current_settings", lambda: read_settings({"JAVA_HOME": str(home)}))
        return java.java_program.__wrapped__()

    return find


def test_a_missing_java_is_named_with_how_to_install_it(java_of: Callable[[Path], Path], tmp_path: Path):
    with pytest.raises(MissingProgramError, match=r"JAVA_HOME=.*openjdk-17-jre-headless.*brew install openjdk@17"):
        java_of(tmp_path)


def test_a_java_of_another_version_is_named(java_of: Callable[[Path], Path], tmp_path: Path):
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    program.chmod(0o755)
    with pytest.raises(MissingProgramError, match="is Java 11"):
        java_of(tmp_path)


@pytest.mark.skipif(not process.PROC.exists(), reason="needs /proc")
@pytest.mark.parametrize("is_on_this_home", [True, False])
def test_a_second_daemon_on_the_same_storage_is_refused(settings: Settings, tmp_path: Path, is_on_this_home: bool):
    home = settings.dagster_home if is_on_this_home else tmp_path / "other"
    with subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True); input()", "dagster._daemon"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "DAGSTER_HOME": str(home)},
    ) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        if is_on_this_home:
            with pytest.raises(StackError, match=rf"pid {daemon.pid}\).*--without dagster"):
                stack._refuse_second_dagster(settings)
        else:
            stack._refuse_second_dagster(settings)
        daemon.communicate(b"\n")

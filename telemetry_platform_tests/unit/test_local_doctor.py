import socket
from pathlib import Path

from telemetry_platform.local.doctor import Finding, examine
from telemetry_platform.settings import read_settings


def examined(**variables: str) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(read_settings(variables))}


def test_missing_jars_are_required_and_come_with_a_remedy(tmp_path: Path):
    found = examined(TELEMETRY_HOME=str(tmp_path), TELEMETRY_JARS=str(tmp_path / "none"))["jars"]
    assert (found.ok, found.required, found.remedy) == (False, True, "Run `make setup`.")


def test_a_taken_port_names_its_holder_and_its_setting(tmp_path: Path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        found = examined(TELEMETRY_HOME=str(tmp_path), TELEMETRY_COLLECTOR_PORT=str(port))["port of collector"]
    assert not found.ok
    assert found.found.startswith(f"{port} taken by ")
    assert "TELEMETRY_COLLECTOR_PORT" in found.remedy


def test_memory_and_prometheus_are_advice_and_looking_changes_nothing(tmp_path: Path):
    found = examined(TELEMETRY_HOME=str(tmp_path / "home"))
    assert {name for name, finding in found.items() if not finding.required} == {"memory", "topics", "prometheus"}
    assert found["python"].ok
    assert not (tmp_path / "home").exists()

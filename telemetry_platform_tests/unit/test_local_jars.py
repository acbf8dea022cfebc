from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from telemetry_platform.errors import TelemetryError
from telemetry_platform.local import jars
from telemetry_platform.settings import Settings, read_settings

LINE = "broker org.apache.kafka:kafka_2.13:4.4.0 " + "a" * 64


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"TELEMETRY_HOME": str(tmp_path), "TELEMETRY_JARS": str(tmp_path / "jars")})


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of one jar for the broker, whose bytes are `kafka`."""
    path = tmp_path / "jars.lock"
    path.write_text(f"broker org.apache.kafka:kafka_2.13:4.4.0 {sha256(b'kafka').hexdigest()}\n")
    monkeypatch.setattr(jars, "LOCK", path)
    return path


def fetch_of(monkeypatch: pytest.MonkeyPatch, content: bytes) -> list[int]:
    """Put `content` where Ivy would put the jars; returns a list that grows with each fetch."""
    calls: list[int] = []

    def fetch(wanted: list[jars.Jar], folder: Path) -> Path:
        calls.append(len(wanted))
        for jar in wanted:
            (folder / "out" / jar.organisation).mkdir(parents=True, exist_ok=True)
            (folder / "out" / jar.organisation / jar.file_name).write_bytes(content)
        return folder / "out"

    monkeypatch.setattr(jars, "_fetch", fetch)
    return calls


def test_a_line_of_the_lock_is_group_coordinates_and_checksum():
    expected = jars.Jar("broker", "org.apache.kafka", "kafka_2.13", "4.4.0", "a" * 64)
    assert jars.read_lock(f"# a comment\n\n{LINE}\n") == [expected]
    assert expected.file_name == "kafka_2.13-4.4.0.jar"


def test_the_committed_lock_has_each_jar_once_with_a_checksum_and_the_versions_that_fit():
    locked = jars.read_lock(jars.LOCK.read_text())
    assert {jar.group for jar in locked} == set(jars.GROUPS)
    assert len({(jar.group, jar.file_name) for jar in locked}) == len(locked)
    assert all(len(jar.sha256) == 64 and int(jar.sha256, 16) for jar in locked)
    assert {jar.file_name for jar in locked} >= {
        "kafka_2.13-4.4.0.jar",
        "delta-spark_4.2_2.13-4.4.0.jar",
        "spark-sql-kafka-0-10_2.13-4.2.0.jar",
        "hadoop-bare-naked-local-fs-0.1.0.jar",
    }


def test_jars_are_fetched_once(settings: Settings, lock: Path, monkeypatch: pytest.MonkeyPatch):
    calls = fetch_of(monkeypatch, b"kafka")
    assert not jars.jars_are_there(settings)
    jars.ensure_jars(settings)
    jars.ensure_jars(settings)
    assert calls == [1]
    assert jars.jars_are_there(settings)
    assert sorted(path.name for path in settings.jars_dir.iterdir()) == [".complete", ".lock", "broker", "spark"]


def test_a_jar_that_is_gone_is_fetched_again(settings: Settings, lock: Path, monkeypatch: pytest.MonkeyPatch):
    calls = fetch_of(monkeypatch, b"kafka")
    jars.ensure_jars(settings)
    (settings.jars_dir / "broker" / "kafka_2.13-4.4.0.jar").unlink()
    jars.ensure_jars(settings)
    assert calls == [1, 1]


def test_a_changed_lock_fetches_again_and_leaves_no_old_jar(
    settings: Settings, lock: Path, monkeypatch: pytest.MonkeyPatch
):
    calls = fetch_of(monkeypatch, b"kafka")
    jars.ensure_jars(settings)
    lock.write_text(lock.read_text().replace("4.4.0", "4.4.1"))
    jars.ensure_jars(settings)
    assert calls == [1, 1]
    assert [path.name for path in (settings.jars_dir / "broker").iterdir()] == ["kafka_2.13-4.4.1.jar"]


def test_a_jar_with_another_checksum_is_refused_and_not_kept(
    settings: Settings, lock: Path, monkeypatch: pytest.MonkeyPatch
):
    fetch_of(monkeypatch, b"something else")
    with pytest.raises(TelemetryError, match=r"kafka_2\.13-4\.4\.0\.jar has SHA-256 [0-9a-f]{64}, not the locked"):
        jars.ensure_jars(settings)
    assert list(settings.jars_dir.rglob("*.jar")) == []
    assert not jars.jars_are_there(settings)


def test_another_folder_of_jars_is_filled_on_its_own(settings: Settings, lock: Path, monkeypatch: pytest.MonkeyPatch):
    fetch_of(monkeypatch, b"kafka")
    jars.ensure_jars(settings)
    assert not jars.jars_are_there(replace(settings, jars_dir=settings.home / "elsewhere"))

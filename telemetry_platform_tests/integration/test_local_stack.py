"""The local stack as real processes: started, killed, started again, ended."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource  # pyright: ignore[reportPrivateImportUsage]

from telemetry_platform.errors import PortTakenError, StackError
from telemetry_platform.local import process, stack
from telemetry_platform.local.environment import environment_of
from telemetry_platform.settings import EVENTS_TOPIC, PROJECT_ROOT, Settings
from telemetry_platform.topics import admin_of, check_topics
from telemetry_platform.warehouse.connection import connect

DEADLINE_SECONDS = 60
ALL = frozenset({"broker", "warehouse", "collector", "bronze", "dagster"})


def record_of(settings: Settings, name: str) -> process.Record:
    record = process.read_record(settings.run_dir / f"{name}.json")
    assert record is not None
    return record


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen in {DEADLINE_SECONDS} s")
        time.sleep(0.1)


def telemetry(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, on these settings."""
    return subprocess.run(
        [sys.executable, "-c", "from telemetry_platform.cli.main import app; app()", *arguments],
        env=environment_of(settings),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def produce(bootstrap: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce(EVENTS_TOPIC, value)
    assert producer.flush(30) == 0


def read_topic(bootstrap: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reads-all", "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([EVENTS_TOPIC])
        return [message.value() for message in consumer.consume(count, timeout=DEADLINE_SECONDS)]
    finally:
        consumer.close()


def ask(settings: Settings, *statements: str) -> list[Any]:
    with connect(settings.warehouse) as connection:
        cursor = connection.cursor()
        for statement in statements:
            rows = cursor.execute(statement).fetchall()
        return rows


@pytest.fixture(scope="module")
def own(new_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A stack of the module's own, on which every service may be killed."""
    settings = new_settings(tmp_path_factory.mktemp("own"))
    yield settings
    stack.down(settings)


def test_up_starts_everything_and_a_second_up_leaves_it_alone(own: Settings):
    first = telemetry(own, "up")
    assert first.returncode == 0, first.stderr
    services = json.loads(telemetry(own, "status", "--json").stdout)
    assert {service["name"] for service in services} == ALL
    assert all(service["healthy"] for service in services), services
    assert set(services[0]) == {"name", "url", "pid", "healthy"}
    assert set(stack.cpu_seconds(own)) == ALL
    assert min(stack.cpu_seconds(own).values()) > 0

    again = telemetry(own, "up")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("is already running") == len(ALL)
    assert json.loads(telemetry(own, "status", "--json").stdout) == services


def made_by_defaults(bootstrap: str) -> None:
    """Leave a topic as the version before the contract made it: its clock is the producers'."""
    entry = ConfigEntry("message.timestamp.type", None, incremental_operation=AlterConfigOpType.DELETE)
    resource = ConfigResource(ConfigResource.Type.TOPIC, EVENTS_TOPIC, incremental_configs=[entry])
    admin = admin_of(bootstrap)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()


def test_a_topic_that_voids_the_promise_is_named_and_refused_elsewhere_and_mended_by_up_on_the_own_broker(
    own: Settings, new_settings: Callable[..., Settings], tmp_path: Path
):
    made_by_defaults(own.kafka)
    elsewhere = new_settings(tmp_path, TELEMETRY_KAFKA=own.kafka)
    wait_until(lambda: any(fault.is_error for fault in check_topics(elsewhere)), "the broker's new setting")

    name = f"topic {EVENTS_TOPIC}: message.timestamp.type"
    findings = {one["name"]: one for one in json.loads(telemetry(elsewhere, "doctor", "--json").stdout)}
    assert findings[name]["required"]
    assert findings[name]["found"].startswith("CreateTime, should be LogAppendTime: ")
    assert findings[name]["remedy"].endswith("--add-config message.timestamp.type=LogAppendTime")
    for module in ("streaming.bronze_events", "telemetry_platform.collector"):
        refused = subprocess.run(
            [sys.executable, "-m", module],
            env=environment_of(elsewhere),
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 1, refused.stderr
        (line,) = [line for line in refused.stderr.splitlines() if " ERROR " in line]
        assert f"event=refused reason={EVENTS_TOPIC}: message.timestamp.type is CreateTime" in line
        assert "Traceback" not in refused.stderr

    mended = telemetry(own, "up")
    assert mended.returncode == 0, mended.stderr
    assert f"topic {EVENTS_TOPIC}: message.timestamp.type CreateTime -> LogAppendTime" in mended.stderr
    wait_until(lambda: not any(fault.is_error for fault in check_topics(elsewhere)), "the mended setting")


def test_messages_and_tables_survive_kill_minus_nine_of_broker_and_warehouse(own: Settings):
    produce(own.kafka, b"kept")
    ask(
        own,
        "CREATE DATABASE IF NOT EXISTS TELEMETRY",
        "CREATE SCHEMA IF NOT EXISTS TELEMETRY.GOLD",
        "CREATE TABLE TELEMETRY.GOLD.KEPT (N INT)",
        "INSERT INTO TELEMETRY.GOLD.KEPT VALUES (7)",
    )
    for name in ("broker", "warehouse"):
        os.kill(record_of(own, name).pid, signal.SIGKILL)
    wait_until(lambda: not any(process.is_alive(record_of(own, name)) for name in ("broker", "warehouse")), "the end")
    said = telemetry(own, "status")
    assert said.returncode == 1
    assert said.stdout.count("down") >= 2

    assert telemetry(own, "up").returncode == 0
    assert b"kept" in read_topic(own.kafka, 1)
    again = (
        "CREATE DATABASE IF NOT EXISTS TELEMETRY",
        "CREATE SCHEMA IF NOT EXISTS TELEMETRY.GOLD",
        "CREATE SCHEMA IF NOT EXISTS TELEMETRY.OPS",
    )
    assert ask(own, *again, "SELECT N FROM TELEMETRY.GOLD.KEPT") == [(7,)]


def test_what_a_killed_driver_leaves_behind_is_cleared_by_the_next_up(own: Settings):
    driver = record_of(own, "bronze")
    jvm = next(pid for pid in process.left_behind(driver) if pid != driver.pid)
    os.kill(driver.pid, signal.SIGKILL)
    wait_until(lambda: not process.is_alive(driver), "the driver's end")

    assert telemetry(own, "up").returncode == 0
    assert not (process.PROC / str(jvm)).exists()
    assert record_of(own, "bronze").pid != driver.pid


def test_down_leaves_no_process_behind_and_status_then_says_that_nothing_runs(own: Settings):
    records = [record_of(own, name) for name in ALL]
    ended = telemetry(own, "down")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.rstrip().endswith("broker ended")
    assert [pid for record in records for pid in process.left_behind(record)] == []
    said = telemetry(own, "status", "--json")
    assert said.returncode == 1
    assert [service["pid"] for service in json.loads(said.stdout)] == [None] * len(ALL)


def test_a_taken_port_is_named_with_its_setting_and_its_holder(own: Settings):
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", own.collector_port))
        holder.listen()
        with pytest.raises(PortTakenError) as caught:
            stack.up(own)
    message = str(caught.value)
    assert f"port {own.collector_port}" in message
    assert "TELEMETRY_COLLECTOR_PORT" in message
    assert f"pid {os.getpid()}" in message
    assert list(own.run_dir.glob("*.json")) == []


def test_a_child_that_dies_while_starting_is_reported_with_the_end_of_its_log(
    new_settings: Callable[..., Settings], tmp_path: Path
):
    settings = new_settings(tmp_path / "home")
    (settings.home).mkdir()
    (settings.home / "warehouse").write_text("a file where the stand-in needs a folder")
    with pytest.raises(StackError, match=r"warehouse ended while it started(.|\n)*warehouse\.log(.|\n)*File exists"):
        stack.up(settings, without=ALL - {"warehouse"})
    assert stack.status(settings)[0].pid is None


def test_interrupting_up_ends_what_it_had_started(new_settings: Callable[..., Settings], tmp_path: Path):
    settings = new_settings(tmp_path)
    command = [sys.executable, "-c", "from telemetry_platform.cli.main import app; app()", "up"]
    with (tmp_path / "up.log").open("wb") as output:
        up = subprocess.Popen(command, env=environment_of(settings), cwd=PROJECT_ROOT, stdout=output, stderr=output)
    wait_until((settings.run_dir / "broker.json").exists, "the broker's start")
    record = record_of(settings, "broker")
    up.send_signal(signal.SIGINT)
    assert up.wait(DEADLINE_SECONDS) == 130, (tmp_path / "up.log").read_text()
    assert list(process.left_behind(record)) == []
    assert list(settings.run_dir.glob("*.json")) == []


def test_reset_clears_what_the_stack_made_and_nothing_else(own: Settings):
    (own.home / "notes.txt").write_text("the user's own")
    refused = subprocess.run(
        [sys.executable, "-c", "from telemetry_platform.cli.main import app; app()", "reset"],
        env=environment_of(own),
        cwd=PROJECT_ROOT,
        input="n\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert (own.home / "kafka").exists()
    assert telemetry(own, "reset", "--yes").returncode == 0
    assert [path.name for path in own.home.iterdir()] == ["notes.txt"]


def test_a_client_killed_inside_a_transaction_does_not_block_others(stack_settings: Settings):
    ask(
        stack_settings,
        "CREATE DATABASE IF NOT EXISTS TELEMETRY",
        "CREATE SCHEMA IF NOT EXISTS TELEMETRY.GOLD",
        "CREATE OR REPLACE TABLE TELEMETRY.GOLD.HELD (N INT)",
        "INSERT INTO TELEMETRY.GOLD.HELD VALUES (1)",
    )
    dies = (
        "import os, signal, sys\n"
        "from telemetry_platform.settings import read_settings\n"
        "from telemetry_platform.warehouse.connection import connect\n"
        "with connect(read_settings({'TELEMETRY_WAREHOUSE_PORT': sys.argv[1]}).warehouse) as connection:\n"
        "    cursor = connection.cursor()\n"
        "    cursor.execute('BEGIN')\n"
        "    cursor.execute('UPDATE TELEMETRY.GOLD.HELD SET N = 2')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    port = str(stack_settings.warehouse.port)
    killed = subprocess.run([sys.executable, "-c", dies, port], cwd=PROJECT_ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    def update() -> bool:
        try:
            ask(stack_settings, "UPDATE TELEMETRY.GOLD.HELD SET N = 3")
        except Exception:
            return False
        return True

    wait_until(update, "the end of the dead client's transaction")
    assert ask(stack_settings, "SELECT N FROM TELEMETRY.GOLD.HELD") == [(3,)]

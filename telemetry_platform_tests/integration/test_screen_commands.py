"""`telemetry tail` and `telemetry sql` in pipes, and under signals, against a real broker and stand-in."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer

from telemetry_platform.local.environment import environment_of
from telemetry_platform.settings import EVENTS_TOPIC, PROJECT_ROOT, Settings
from telemetry_platform.warehouse.connection import connect

PROGRAM = [sys.executable, "-c", "from telemetry_platform.cli.main import app; app()"]
GAME = "piped"
NAMES = ["[tw]Bob", "[/b]Eve", "[bold red]Mia[/]"]


def send(settings: Settings, player_id: str) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka})
    record = {"game_id": GAME, "event_name": "heartbeat", "player_id": player_id, "properties": {}}
    producer.produce(EVENTS_TOPIC, json.dumps(record).encode(), key=f"{GAME}:{player_id}".encode())
    assert producer.flush(30) == 0


@contextmanager
def tailing(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*PROGRAM, "tail", "--game", GAME, "--from-start", *arguments],
        cwd=PROJECT_ROOT,
        env=environment_of(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as tail:
        try:
            yield tail
        finally:
            tail.kill()


def sql(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "sql", *arguments],
        cwd=PROJECT_ROOT,
        env=environment_of(settings),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_tail_writes_a_line_at_once_and_ends_quietly(
    stack_settings: Settings, number: signal.Signals, status: int, arguments: tuple[str, ...]
):
    send(stack_settings, "[tw]Bob")
    with tailing(stack_settings, *arguments) as tail:
        assert tail.stdout is not None
        assert "[tw]Bob" in tail.stdout.readline()
        tail.send_signal(number)
        _, said = tail.communicate(timeout=30)
        assert (tail.returncode, said) == (status, "")


def test_tail_ends_quietly_when_its_reader_has_gone(stack_settings: Settings):
    send(stack_settings, "[tw]Bob")
    with tailing(stack_settings) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        tail.stdout.readline()
        tail.stdout.close()
        send(stack_settings, "another")
        assert tail.wait(30) == 141
        assert tail.stderr.read() == ""


def test_the_warehouse_shows_players_as_they_are_called_and_takes_statements_without_rows(stack_settings: Settings):
    values = ", ".join(f"('{name}', {number}.10)" for number, name in enumerate(NAMES))
    with connect(stack_settings.warehouse) as connection:
        connection.cursor().execute("create database if not exists telemetry")
    for statement in (
        "create schema if not exists telemetry.gold",
        "create or replace table telemetry.gold.called (player_id varchar, amount decimal(18, 6))",
        f"insert into telemetry.gold.called values {values}",
    ):
        done = sql(stack_settings, statement)
        assert done.returncode == 0, done.stderr
    shown = sql(stack_settings, "select player_id from telemetry.gold.called order by amount")
    assert [line.strip("│ ") for line in shown.stdout.splitlines()[3:6]] == NAMES
    some = sql(stack_settings, "--json", "--limit", "2", "select * from telemetry.gold.called order by amount")
    assert json.loads(some.stdout) == [
        {"player_id": NAMES[0], "amount": 0.1},
        {"player_id": NAMES[1], "amount": 1.1},
    ]
    assert some.stderr == "2 rows shown, 1 more: --limit 0 shows all.\n"

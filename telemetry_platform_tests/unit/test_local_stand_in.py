from typing import Any

import duckdb
import pytest

from telemetry_platform.local import snowflake_stand_in
from telemetry_platform.local.snowflake_stand_in import IDLE_IN_TRANSACTION_SECONDS, IDLE_SECONDS, Sessions


class Connection:
    """As much of fakesnow's connection as the reaper touches, over a real DuckDB."""

    def __init__(self) -> None:
        self._duck_conn = duckdb.connect()
        self.is_closed = False

    def rollback(self) -> None:
        self._duck_conn.execute("ROLLBACK")

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time the reaper sees, in its only element."""
    now = [0.0]
    monkeypatch.setattr(snowflake_stand_in.time, "monotonic", lambda: now[0])
    return now


def session() -> tuple[Sessions, dict[str, Any], Connection]:
    connection = Connection()
    connections: dict[str, Any] = {"t": connection}
    sessions = Sessions(connections)
    sessions.begin("t")
    sessions.end("t")
    return sessions, connections, connection


def test_a_session_left_in_a_transaction_is_ended_soon(clock: list[float]):
    sessions, connections, connection = session()
    connection._duck_conn.execute("BEGIN")
    clock[0] = IDLE_IN_TRANSACTION_SECONDS
    sessions.reap()
    assert connections == {"t": connection}
    clock[0] += 1
    sessions.reap()
    assert connections == {}
    assert connection.is_closed


def test_a_session_outside_a_transaction_is_kept_until_it_is_long_idle(clock: list[float]):
    sessions, connections, connection = session()
    clock[0] = IDLE_SECONDS
    sessions.reap()
    assert connections == {"t": connection}
    clock[0] += 1
    sessions.reap()
    assert connections == {}


def test_a_session_whose_statement_still_runs_is_kept(clock: list[float]):
    sessions, connections, connection = session()
    connection._duck_conn.execute("BEGIN")
    sessions.begin("t")
    clock[0] = IDLE_SECONDS * 2
    sessions.reap()
    assert connections == {"t": connection}
    sessions.end("t")
    sessions.reap()
    assert connections == {"t": connection}

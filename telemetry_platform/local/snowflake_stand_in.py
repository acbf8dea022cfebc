"""A server that answers the real Snowflake connector, with its tables on disk.

`python -m telemetry_platform.local.snowflake_stand_in --port 8085 --data DIR`. It is fakesnow's own
server; what is added here is what it lacks: a database folder that is honoured, and the end of
sessions whose client is gone, which would otherwise hold their locks for ever.
"""

import argparse
import asyncio
import importlib
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn

log = logging.getLogger(__name__)

# Real Snowflake gives up a dead client's transaction after minutes; here nobody should wait that long.
IDLE_IN_TRANSACTION_SECONDS = 20
IDLE_SECONDS = 1800


class Sessions:
    """Ends sessions that have not been heard of: in a transaction soon, otherwise late."""

    def __init__(self, connections: dict[str, Any]) -> None:
        self._connections = connections
        self._last_seen: dict[str, float] = {}
        self._busy: dict[str, int] = {}

    def begin(self, token: str) -> None:
        """Note that a request of this session has begun."""
        self._busy[token] = self._busy.get(token, 0) + 1

    def end(self, token: str) -> None:
        """Note that a request of this session has ended."""
        self._busy[token] -= 1
        self._last_seen[token] = time.monotonic()

    def reap(self) -> None:
        """Roll back and forget sessions that are idle for too long."""
        now = time.monotonic()
        self._last_seen = {token: seen for token, seen in self._last_seen.items() if token in self._connections}
        self._busy = {token: count for token, count in self._busy.items() if count}
        for token in list(self._connections):
            if self._busy.get(token):
                continue
            idle = now - self._last_seen.setdefault(token, now)
            connection = self._connections[token]
            if idle > IDLE_SECONDS or (idle > IDLE_IN_TRANSACTION_SECONDS and _in_transaction(connection)):
                self._connections.pop(token, None)
                with suppress(Exception):
                    connection.rollback()
                with suppress(Exception):
                    connection.close()
                log.info("event=session_reaped idle_seconds=%.0f", idle)


def _in_transaction(connection: Any) -> bool:
    """DuckDB refuses BEGIN inside a transaction: asking for one is the way to know."""
    duck = connection._duck_conn  # fakesnow has no public way to it
    try:
        duck.execute("BEGIN")
    except Exception:  # noqa: BLE001 - whatever it says, a transaction is open or the connection is unusable
        return True
    duck.execute("ROLLBACK")
    return False


def build_app(data: Path) -> Any:
    """Fakesnow's ASGI application over the databases in `data`, with idle sessions ended."""
    from fakesnow.instance import FakeSnow

    # The package has a function of the same name that hides its module.
    server: Any = importlib.import_module("fakesnow.server")

    data.mkdir(parents=True, exist_ok=True)
    server.shared_fs = FakeSnow(db_path=data)
    sessions = Sessions(server.sessions)

    async def reaper() -> None:
        while True:
            await asyncio.sleep(2)
            sessions.reap()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await server.app(scope, receive, send)
            return
        if not hasattr(app, "task"):
            app.task = asyncio.create_task(reaper())  # type: ignore[attr-defined]
        token = _token(scope)
        if token is None:
            await server.app(scope, receive, send)
            return
        sessions.begin(token)
        try:
            await server.app(scope, receive, send)
        finally:
            sessions.end(token)

    return app


def _token(scope: Any) -> str | None:
    """Session token of a request, as the connector sends it: Snowflake Token="..."."""
    for name, value in scope["headers"]:
        if name == b"authorization" and b'Token="' in value:
            return value.decode().split('Token="')[1].rstrip('"')
    return None


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    app = build_app(arguments.data)
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()

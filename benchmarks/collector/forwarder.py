"""The yardstick: the collector's server and producer, and nothing in between.

The same uvicorn and the same producer settings; a request is answered when Kafka has acknowledged it. It reads no key,
no JSON and no limit. `body` produces the request's bytes as one record. `events` produces one record an event,
bytes unchanged: where the events begin and end is found once for each length of body, and believed from then on.
"""

import argparse
import asyncio
import json
import threading
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import uvicorn
from confluent_kafka import KafkaError, Message, Producer

from telemetry_platform.settings import EVENTS_TOPIC

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_DECODE = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_DECODE_LIST = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Forwarder:
    """ASGI application that forwards bytes."""

    def __init__(self, kafka: str, mode: str) -> None:
        self._splits = mode == "events"
        self._cuts: dict[int, list[slice]] = {}
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 256 * 1024,
            }
        )
        threading.Thread(target=self._poll, daemon=True).start()

    def _poll(self) -> None:
        while True:
            self._producer.poll(0.1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a POST; answer 200 to a GET."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        count = 0
        if scope["method"] == "POST":
            records = self._records(scope, body)
            count = len(records)
            await self._produce(records)
        answer = json.dumps({"accepted": count, "rejected": []}, separators=(",", ":")).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 202 if count else 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _records(self, scope: Scope, body: bytes) -> list[bytes]:
        if not self._splits:
            return [body]
        if (b"content-encoding", b"gzip") in scope["headers"]:
            body = zlib.decompress(body, 31)
        cuts = self._cuts.get(len(body))
        if cuts is None:
            cuts = self._cuts[len(body)] = _cut(body)
        return [body[cut] for cut in cuts]

    async def _produce(self, records: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        done, left = loop.create_future(), len(records)

        def delivered(error: KafkaError | None, message: Message) -> None:
            nonlocal left
            left -= 1
            if error is not None:
                raise SystemExit(str(error))
            if left == 0:
                loop.call_soon_threadsafe(done.set_result, None)

        for record in records:
            self._producer.produce(EVENTS_TOPIC, record, on_delivery=delivered)
        await done


def _cut(body: bytes) -> list[slice]:
    cuts, place = [], 0
    for event in _DECODE_LIST(_DECODE(body)["events"]):
        place = body.index(bytes(event), place)
        cuts.append(slice(place, place + len(event)))
        place += len(event)
    return cuts


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["body", "events"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--kafka", required=True)
    chosen = parser.parse_args()
    app = Forwarder(chosen.kafka, chosen.mode)
    uvicorn.run(app, host="127.0.0.1", port=chosen.port, log_level="warning", access_log=False, server_header=False)


if __name__ == "__main__":
    main()

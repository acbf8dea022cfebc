"""Events and bodies for hostile requests: valid by default, broken in one place."""

import gzip
import json
import struct
import uuid
import zlib
from datetime import UTC, datetime
from functools import cache
from typing import Any

import zstandard

MIB = 1024**2
_FULL_BLOCK = 16 * MIB
_ZSTD_BLOCK = 128 * 1024
_RLE = 1


def fields(**changes: Any) -> dict[str, Any]:
    """Keys of a valid event of now; a change to `...` takes the key away."""
    event = {
        "event_id": str(uuid.uuid4()),
        "event_name": "heartbeat",
        "event_version": 1,
        "created_ts": datetime.now(UTC).isoformat(),
        "player_id": "p-1",
        "platform": "ios",
    } | changes
    return {name: value for name, value in event.items() if value is not ...}


def event(**changes: Any) -> bytes:
    """Write a valid event; a change to `...` takes the key away."""
    return json.dumps(fields(**changes)).encode()


def written(**raw: bytes) -> bytes:
    """Write a valid event with some keys' values as given bytes, valid JSON or not."""
    marks = {name: f"<{name}>" for name in raw}
    text = json.dumps(fields(**marks)).encode()
    for name, value in raw.items():
        text = text.replace(f'"<{name}>"'.encode(), value)
    return text


def custom(value: bytes) -> bytes:
    """Write a valid `custom` event with one further property, whose value is given as bytes."""
    return written(event_name=b'"custom"', properties=b'{"name":"n","value":%b}' % value)


def bought(**changes: Any) -> bytes:
    """Write a purchase; a change that is bytes goes in as it stands."""
    properties = {"transaction_id": "t", "product_id": "gems", "price_minor": 499, "currency": "USD"} | changes
    marks = {name: f"<{name}>" if isinstance(value, bytes) else value for name, value in properties.items()}
    text = event(event_name="purchase", properties=marks)
    for name, value in properties.items():
        if isinstance(value, bytes):
            text = text.replace(f'"<{name}>"'.encode(), value)
    return text


def batch(*events: bytes, sent_ts: bytes | None = None) -> bytes:
    """Join events to a body."""
    sent = b"" if sent_ts is None else b'"sent_ts":%b,' % sent_ts
    return b'{%b"events":[%b]}' % (sent, b",".join(events))


def nested(depth: int) -> bytes:
    """Write arrays in arrays, closed."""
    return b"[" * depth + b"]" * depth


def padded(size: int) -> bytes:
    """Write a valid body of exactly `size` bytes: one event and spaces."""
    body = batch(event())
    return body[:-1] + b" " * (size - len(body)) + b"}"


@cache
def gzip_bomb(size: int) -> bytes:
    """Compress `size` zeros, a multiple of 16 MiB, in the time of one block: blocks that end on a byte repeat.

    The checksum at the end is wrong; nobody should ever come to it.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(_FULL_BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = b"\x03\x00"
    head = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
    return head + block * (size // _FULL_BLOCK) + last + struct.pack("<II", 0, size % 2**32)


@cache
def zstd_bomb(size: int) -> bytes:
    """Say `size` zeros in four bytes for every 128 KiB: zstd has a block for one repeated byte."""
    blocks = size // _ZSTD_BLOCK
    head = b"\x28\xb5\x2f\xfd" + bytes([0b00000000, 0b01010000])
    header = _ZSTD_BLOCK << 3 | _RLE << 1
    ordinary = struct.pack("<I", header)[:3] + b"\0"
    last = struct.pack("<I", header | 1)[:3] + b"\0"
    return head + ordinary * (blocks - 1) + last


def zstd_of(body: bytes, **parameters: Any) -> bytes:
    """Compress with zstd."""
    compressor = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters.from_level(3, **parameters)
    )
    return compressor.compress(body)


def gzip_with_wrong_checksum() -> bytes:
    """Compress a valid body and break the checksum."""
    packed = bytearray(gzip.compress(batch(event())))
    packed[-5] ^= 0xFF
    return bytes(packed)


def many_members(count: int) -> bytes:
    """Compress a body to a gzip of `count` empty members and a full one."""
    return gzip.compress(b"") * count + gzip.compress(batch(event()))

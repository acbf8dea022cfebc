"""The table of hostile requests: what is sent, and what the collector has to answer.

A case that is about one event sends it between two good ones, which have to be accepted whatever it is:
`rejects` names what becomes of it, `None` that it is accepted as well.
"""

import gzip
from dataclasses import dataclass

from telemetry_platform_tests.integration.hostile_bodies import (
    MIB,
    batch,
    custom,
    event,
    gzip_bomb,
    gzip_with_wrong_checksum,
    many_members,
    nested,
    padded,
    zstd_bomb,
    zstd_of,
)
from telemetry_platform_tests.integration.hostile_wire import Request, Send, raw

GIB = 1024 * MIB
NO_ANSWER = None
HEAD = b"POST /v1/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer <WRITE>\r\n"


@dataclass(frozen=True)
class Case:
    """One request; `error_type` None where the answer comes from below the application and carries none."""

    name: str
    send: Send
    status: int | None
    error_type: str | None = None
    accepted: int | None = None
    rejects: tuple[str, ...] = ()


def refused(name: str, send: Send, status: int | None, error_type: str | None = None) -> Case:
    """State the refusal of a whole request."""
    return Case(name, send, status, error_type)


def taken(name: str, send: Send, accepted: int = 1) -> Case:
    """State that a request looks odd and is accepted all the same."""
    return Case(name, send, 202, accepted=accepted)


def unreadable(name: str, body: bytes, *headers: str) -> Case:
    """State that a body cannot be read."""
    return Case(name, Request(body, headers=headers), 400, "unreadable_body")


def among_good(name: str, odd: bytes, error_type: str | None) -> Case:
    """Send one odd event between two good ones."""
    send = Request(lambda: batch(event(), odd, event()))
    return Case(name, send, 202, accepted=2 if error_type else 3, rejects=(error_type,) if error_type else ())


GZIP, ZSTD = "Content-Encoding: gzip", "Content-Encoding: zstd"

BODIES = [
    unreadable("no JSON", b"{not json"),
    unreadable("empty body", b""),
    unreadable("only spaces", b"   "),
    unreadable("list for object", b"[]"),
    unreadable("null for object", b"null"),
    unreadable("text for object", b'"events"'),
    unreadable("true for object", b"true"),
    unreadable("no events", b"{}"),
    unreadable("events is null", b'{"events": null}'),
    unreadable("events is an object", b'{"events": {}}'),
    unreadable("events is text", b'{"events": "[]"}'),
    unreadable("unknown key of the body", b'{"events": [], "game_id": "other"}'),
    unreadable("cut off", batch(event())[:-2]),
    unreadable("cut off inside a string", batch(event())[:40]),
    unreadable("two documents", b'{"events": []}{"events": []}'),
    unreadable("garbage after the end", b'{"events": []} x'),
    unreadable("comma too many", b'{"events": [],}'),
    unreadable("single quotes", b"{'events': []}"),
    unreadable("comment", b'{"events": [] /* none */}'),
    unreadable("byte order mark", b"\xef\xbb\xbf" + batch(event())),
    unreadable("UTF-16", batch(event()).decode().encode("utf-16")),
    unreadable("UTF-32", batch(event()).decode().encode("utf-32-le")),
    unreadable("10,000 deep body", nested(10_000)),
    unreadable("10,000 deep and never closed", b'{"events": ' + b"[" * 10_000),
    unreadable("a million brackets", b'{"events": ' + b"[" * MIB),
    unreadable("10,000 objects deep", b'{"a":' * 10_000),
    unreadable("invalid UTF-8 outside of events", b'{"events": [], "\xff": 1}'),
    unreadable("NUL bytes", bytes(1000)),
    unreadable("binary", bytes(range(256)) * 100),
    taken("empty batch", Request(b'{"events": []}'), accepted=0),
    taken("key of the body twice: the last one wins", Request(b'{"events": [%b], "events": []}' % event()), accepted=0),
    taken("spaces everywhere", Request(b' \r\n\t{ "events" : [ %b ] } \n' % event())),
    taken("key of the body with escapes", Request(rb'{"\u0065vents": [%b]}' % event())),
    refused("1,001 events", Request(batch(*[b"{}"] * 1001)), 413, "too_many_events"),
    refused("a million empty events", Request(batch(*[b"{}"] * MIB)), 413, "too_many_events"),
    taken("1,000 events", Request(lambda: batch(*(event() for _ in range(1000)))), accepted=1000),
    Case(
        "wrong types for events",
        Request(b'{"events": [1, "x", null, [], true, 1.5]}'),
        202,
        accepted=0,
        rejects=("unreadable_event",) * 6,
    ),
]

SENT_TS = [
    *(
        unreadable(f"sent_ts: {name}", batch(event(), sent_ts=text))
        for name, text in {
            "no zone": b'"2026-11-23T12:00:00"',
            "a word": b'"yesterday"',
            "number": b"1700000000",
            "list": b"[]",
            "leap second": b'"2016-12-31T23:59:60Z"',
            "year 0": b'"0000-01-01T00:00:00Z"',
            "year 10000": b'"10000-01-01T00:00:00Z"',
            "before the calendar": b'"0001-01-01T00:00:00+14:00"',
        }.items()
    ),
    taken("sent_ts is null", Request(lambda: batch(event(), sent_ts=b"null"))),
]

ENCODINGS = [
    refused("6 GiB gzip bomb", Request(lambda: gzip_bomb(6 * GIB), headers=(GZIP,)), 413, "body_too_large"),
    refused(
        "3.9 GiB gzip bomb", Request(lambda: gzip_bomb(4000 * MIB), headers=(GZIP,)), 413, "decompressed_too_large"
    ),
    unreadable("6 GiB gzip bomb in a gzip", gzip.compress(gzip_bomb(6 * GIB)), GZIP),
    refused("6 GiB zstd bomb", Request(lambda: zstd_bomb(6 * GIB), headers=(ZSTD,)), 413, "decompressed_too_large"),
    refused(
        "gzip bomb, chunked",
        Request(lambda: gzip_bomb(GIB), headers=(GZIP,), chunk_bytes=65536),
        413,
        "decompressed_too_large",
    ),
    taken("gzip of 32 MiB", Request(lambda: gzip.compress(padded(32 * MIB), 1), headers=(GZIP,))),
    refused(
        "gzip of 32 MiB and a byte",
        Request(lambda: gzip.compress(padded(32 * MIB + 1), 1), headers=(GZIP,)),
        413,
        "decompressed_too_large",
    ),
    taken("zstd of 32 MiB", Request(lambda: zstd_of(padded(32 * MIB)), headers=(ZSTD,))),
    refused(
        "zstd of 32 MiB and a byte",
        Request(lambda: zstd_of(padded(32 * MIB + 1)), headers=(ZSTD,)),
        413,
        "decompressed_too_large",
    ),
    unreadable("zstd with a window of 2 GiB", zstd_of(b"x" * MIB, window_log=31, write_content_size=False), ZSTD),
    unreadable("gzip cut off", gzip.compress(batch(event()))[:-10], GZIP),
    unreadable("gzip of nothing but its head", gzip.compress(b"x")[:10], GZIP),
    unreadable("zstd cut off", zstd_of(batch(event()))[:-10], ZSTD),
    unreadable("gzip with a wrong checksum", gzip_with_wrong_checksum(), GZIP),
    unreadable("plain body said to be gzip", batch(event()), GZIP),
    unreadable("plain body said to be zstd", batch(event()), ZSTD),
    unreadable("gzip said to be zstd", gzip.compress(batch(event())), ZSTD),
    unreadable("gzip that nobody said", gzip.compress(batch(event()))),
    unreadable("garbage after the gzip", gzip.compress(batch(event())) + b"garbage", GZIP),
    unreadable("gzip of 10,000 members", many_members(10_000), GZIP),
    unreadable("gzip of nothing", gzip.compress(b""), GZIP),
    unreadable("no bytes said to be gzip", b"", GZIP),
    taken("gzip of three members", Request(many_members(2), headers=(GZIP,))),
    taken("GZIP in capitals", Request(lambda: gzip.compress(batch(event())), headers=("Content-Encoding: GZIP",))),
    *(
        refused(
            f"Content-Encoding: {name}",
            Request(b"x", headers=(f"Content-Encoding: {name}",)),
            415,
            "unsupported_encoding",
        )
        for name in ("br", "deflate", "gzip, gzip", "compress", "gzip;q=1", "../gzip", "\xff")
    ),
]

SIZES = [
    refused("body over 4 MiB", Request(padded(4 * MIB + 1)), 413, "body_too_large"),
    taken("body of 4 MiB", Request(lambda: padded(4 * MIB))),
    refused("chunked body over 4 MiB", Request(padded(4 * MIB + 1), chunk_bytes=65536), 413, "body_too_large"),
    refused("chunked body of 200 MiB", Request(bytes(200 * MIB), chunk_bytes=MIB), 413, "body_too_large"),
    taken("chunked body without a length", Request(lambda: batch(event()), chunk_bytes=7)),
    refused("an event over 512 KiB", Request(batch(custom(b'"%b"' % (b"x" * 600_000)))), 413, "event_too_large"),
    among_good("an event over 32 KiB", custom(b'"%b"' % (b"x" * 40_000)), "event_too_large"),
    among_good("an event of 30 KiB", custom(b'"%b"' % (b"x" * 30_000)), None),
    refused("declared: 4 GiB", raw(HEAD + b"Content-Length: 4294967296\r\n\r\n{"), 413, "body_too_large"),
    refused(
        "declared: 4 GiB, asks first",
        raw(HEAD + b"Expect: 100-continue\r\nContent-Length: 4294967296\r\n\r\n"),
        413,
        "body_too_large",
    ),
]

BODY_CASES = [*BODIES, *SENT_TS, *ENCODINGS, *SIZES]

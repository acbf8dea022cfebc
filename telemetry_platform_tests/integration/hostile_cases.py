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
from telemetry_platform_tests.integration.hostile_wire import Request, Send, endless, hang_up_after, raw

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

FRAMING = [
    refused("slow body", Request(batch(event()), pieces=100, pause_seconds=0.2), 408, "slow_body"),
    refused("slow chunked body", raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"), 408, "slow_body"),
    refused("Content-Length is more than is sent", raw(HEAD + b"Content-Length: 100\r\n\r\n{}"), 408, "slow_body"),
    refused("hangs up mid body", hang_up_after(b'{"events": [', declared=1000), NO_ANSWER),
    refused("hangs up before the body", hang_up_after(b"", declared=1000), NO_ANSWER),
    refused(
        "Content-Length is less than is sent",
        raw(HEAD + b"Content-Length: 5\r\n\r\n" + batch(event())),
        400,
        "unreadable_body",
    ),
    refused("Content-Length is negative", raw(HEAD + b"Content-Length: -1\r\n\r\n"), 400),
    refused("Content-Length is a word", raw(HEAD + b"Content-Length: many\r\n\r\n"), 400),
    refused("Content-Length of 30 digits", raw(HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n"), 400),
    refused("two Content-Lengths", raw(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), 400),
    refused("length and chunks", raw(HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
    refused("chunk size is a word", raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 400),
    refused("chunk size of 30 digits", raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n"), 400),
    refused("no HTTP", raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n"), 400),
    refused("HTTP/2 without asking", raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400),
    refused("HTTP/9.9", Request(b"{}", version="HTTP/9.9"), 400),
    refused(
        "web socket",
        raw(
            b"GET /v1/events HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ),
        405,
        "method_not_allowed",
    ),
    taken("HTTP/1.0", Request(lambda: batch(event()), version="HTTP/1.0")),
    taken("body in 20 pieces", Request(lambda: batch(event()), pieces=20, pause_seconds=0.01)),
]

KEYS_AND_HEADS = [
    refused("no key", Request(b"{}", key=""), 401, "unknown_key"),
    refused(
        "unknown key", Request(b"{}", key="Bearer tw_0123456789012345678901234567890123456789012"), 401, "unknown_key"
    ),
    refused("key with another scheme", Request(b"{}", key="Basic <WRITE>"), 401, "unknown_key"),
    refused("key without a scheme", Request(b"{}", key="<WRITE>"), 401, "unknown_key"),
    refused("empty key", Request(b"{}", key="Bearer "), 401, "unknown_key"),
    refused("key and more", Request(b"{}", key="Bearer <WRITE>x"), 401, "unknown_key"),
    refused("two keys", Request(b"{}", key="Bearer <WRITE>, <OTHER>"), 401, "unknown_key"),
    refused("key that is no ASCII", Request(b"{}", key="Bearer \xff\xfe\xfd" + "\xe4" * 30), 401, "unknown_key"),
    refused("key of 60 KB", Request(b"{}", key="Bearer " + "x" * 60_000), 401, "unknown_key"),
    refused("key is a path", Request(b"{}", key="Bearer ../../keys/game"), 401, "unknown_key"),
    taken("key of another game: the game follows from the key", Request(lambda: batch(event()), key="Bearer <OTHER>")),
    taken("scheme in small letters", Request(lambda: batch(event()), key="bearer <WRITE>")),
    refused("import with a write key", Request(b"{}", path="/v1/import"), 403, "missing_right"),
    refused("events with an import key", Request(b"{}", key="Bearer <IMPORT>"), 403, "missing_right"),
    refused("bomb without a key", Request(lambda: gzip_bomb(GIB), key="", headers=(GZIP,)), 401, "unknown_key"),
    taken("X-Request-Id of 10 KB", Request(lambda: batch(event()), headers=("X-Request-Id: " + "x" * 10_000,))),
    taken("X-Request-Id that is no ASCII", Request(lambda: batch(event()), headers=("X-Request-Id: \xff\xfe",))),
    taken(
        "X-Request-Id with written line ends",
        Request(lambda: batch(event()), headers=("X-Request-Id: a%0d%0aX-Evil: 1",)),
    ),
    taken(
        "X-Request-Id with real line ends", Request(lambda: batch(event()), headers=("X-Request-Id: a\r\nX-Evil: 1",))
    ),
    refused("header with a bare line feed", Request(b"{}", headers=("X-Request-Id: a\nX-Evil: 1",)), 400),
    refused("header with a bare carriage return", Request(b"{}", headers=("X-Request-Id: a\rX-Evil: 1",)), 400),
    refused("header with a NUL", Request(b"{}", headers=("X-Request-Id: a\0b",)), 400),
    refused("key with a line feed", Request(b"{}", key="Bearer a\nX-Evil: 1"), 400),
    refused("name of a header is empty", Request(b"{}", headers=(": x",)), 400),
    refused("space in a header's name", Request(b"{}", headers=("X Evil: 1",)), 400),
    refused("header of 100 MiB", endless(HEAD + b"X-Long: ", b"x" * MIB, blocks=100), 400),
    refused("headers without an end", endless(HEAD, b"X-Long: x\r\n" * 100_000, blocks=100), 400),
]

PATHS = [
    *(
        refused(
            f"{method} where POST is meant",
            Request(b"", method=method),
            405,
            "method_not_allowed" if method != "HEAD" else None,
        )
        for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "TRACE")
    ),
    refused("POST where GET is meant", Request(b"", path="/v1/schemas"), 405, "method_not_allowed"),
    refused("method nobody knows", Request(b"", method="STEAL"), 400),
    refused("method in small letters", Request(b"", method="post"), 400),
    refused("no path", raw(b"POST\r\n\r\n"), 400),
    refused("space in the path", Request(b"", method="GET", path="/v1/sche mas"), 400),
    *(
        refused(f"path {path[:40]}", Request(b"", method="GET", path=path), 404, "not_found")
        for path in (
            "/",
            "/v1",
            "/v1/events/",
            "//v1/events",
            "/V1/EVENTS",
            "/v1/schemas/../../settings.py",
            "/v1/schemas/%2e%2e/%2e%2e/etc/passwd",
            "/v1/schemas/../envelope.json",
            "/v1/schemas/purchase/1/../2",
            "/v1/schemas/purchase/01",
            "/v1/schemas/purchase/-1",
            "/v1/schemas/purchase/1%00",
            "/v1/schemas/%ff/1",
            "/v1/schemas/purchase/" + "9" * 5000,
            "/v1/schemas/..%5c..%5cwindows",
            "/v1/schemas/" + "a/" * 10_000,
            "/" + "x" * 60_000,
        )
    ),
    refused("path that is no ASCII", raw(b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n"), 400),
    refused("path of 100 MiB", endless(b"GET /", b"x" * MIB, blocks=100), 400),
]

REQUEST_CASES = [*BODIES, *SENT_TS, *ENCODINGS, *SIZES, *FRAMING, *KEYS_AND_HEADS, *PATHS]

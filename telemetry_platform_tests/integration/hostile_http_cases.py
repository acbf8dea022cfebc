"""The table of hostile HTTP: framing, keys, headers, methods and paths."""

from telemetry_platform_tests.integration.hostile_bodies import MIB, batch, event, gzip_bomb
from telemetry_platform_tests.integration.hostile_cases import GIB, GZIP, HEAD, NO_ANSWER, refused, taken
from telemetry_platform_tests.integration.hostile_wire import Request, endless, hang_up_after, raw

H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")

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
    taken(
        "offer of HTTP/2, as Java's client makes with its first request", Request(lambda: batch(event()), headers=H2C)
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

HTTP_CASES = [*FRAMING, *KEYS_AND_HEADS, *PATHS]

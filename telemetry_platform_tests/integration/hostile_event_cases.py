"""The table of hostile events: each is sent between two good ones."""

from typing import Any

from telemetry_platform_tests.integration.hostile_bodies import batch, bought, custom, event, nested, written
from telemetry_platform_tests.integration.hostile_cases import Case, among_good, refused
from telemetry_platform_tests.integration.hostile_wire import Request

VIOLATION, UNKNOWN = "schema_violation", "unknown_event"


def violations(what: str, key: str, values: dict[str, Any]) -> list[Case]:
    """State that none of `values` is a value of an envelope key."""
    return [among_good(f"{what}: {name}", event(**{key: value}), VIOLATION) for name, value in values.items()]


def no_json(name: str, odd: bytes) -> Case:
    """State that an event which is no JSON makes its body none: nobody can tell where it would end."""
    return refused(name, Request(lambda: batch(event(), odd, event())), 400, "unreadable_body")


STRINGS = [
    among_good("lone surrogate, escaped", custom(rb'"a\ud800b"'), "invalid_string"),
    among_good("lone low surrogate, escaped", custom(rb'"\udc00"'), "invalid_string"),
    among_good("surrogates the wrong way round", custom(rb'"\udc00\ud800"'), "invalid_string"),
    among_good("lone surrogate at the end", custom(rb'"\ud83d"'), "invalid_string"),
    among_good("lone surrogate, raw bytes", custom(b'"\xed\xa0\x80"'), "invalid_string"),
    among_good("lone surrogate in a key", custom(rb'{"\ud800":1}'), "invalid_string"),
    among_good("lone surrogate in player_id", written(player_id=rb'"\ud800"'), "invalid_string"),
    among_good("lone surrogate in event_name", written(event_name=rb'"\ud800"'), "invalid_string"),
    among_good("NUL, escaped", custom(rb'"a\u0000b"'), "invalid_string"),
    among_good("NUL in a key", custom(rb'{"\u0000":1}'), "invalid_string"),
    among_good("NUL, raw", custom(b'"a\0b"'), "unreadable_event"),
    among_good("invalid UTF-8", custom(b'"\xff"'), "invalid_string"),
    among_good("UTF-8 cut off", custom(b'"\xe2\x82"'), "invalid_string"),
    among_good("overlong NUL", custom(b'"\xc0\x80"'), "invalid_string"),
    among_good("UTF-8 beyond Unicode", custom(b'"\xf5\x80\x80\x80"'), "invalid_string"),
    among_good("Latin-1", custom('"Müller"'.encode("latin-1")), "invalid_string"),
    among_good("line end in a string", custom(b'"a\nb"'), "unreadable_event"),
    among_good("tab in a string", custom(b'"a\tb"'), "unreadable_event"),
    among_good("surrogate pair", custom(rb'"\ud83d\ude00"'), None),
    among_good("the text backslash u0000", custom(rb'"\\u0000"'), None),
    among_good("U+FFFF and right-to-left marks", custom('"\uffff\u202e\u2066"'.encode()), None),
]

NUMBERS = [
    among_good("NaN", custom(b"NaN"), "number_not_finite"),
    among_good("Infinity", custom(b"Infinity"), "number_not_finite"),
    among_good("-Infinity", custom(b"-Infinity"), "number_not_finite"),
    among_good("1e999", custom(b"1e999"), "number_not_finite"),
    among_good("-1e999", custom(b"-1e999"), "number_not_finite"),
    among_good("NaN deep inside", custom(b'[{"a":[NaN]}]'), "number_not_finite"),
    among_good("5,000 digits", custom(b"9" * 5000), "number_not_finite"),
    among_good("20,000 digits, negative", custom(b"-" + b"9" * 20_000), "number_not_finite"),
    among_good("5,000 digits after the point", custom(b"0." + b"9" * 5000), None),
    among_good("exponent of 5,000 digits", custom(b"1e" + b"9" * 5000), "number_not_finite"),
    among_good("100 digits", custom(b"9" * 100), None),
    among_good("2 to the 64th", custom(b"18446744073709551616"), None),
    among_good("-0", custom(b"-0"), None),
    among_good("-0.0 and 1e-999", custom(b"[-0.0,1e-999]"), None),
    among_good("1e308", custom(b"1e308"), None),
]

SHAPES = [
    among_good("10,000 deep inside the properties", custom(nested(10_000)), "too_deep"),
    among_good("500 deep inside the properties", custom(nested(500)), "too_deep"),
    among_good("17 deep", custom(nested(15)), "too_deep"),
    among_good("16 deep", custom(nested(14)), None),
    among_good("an event that is a list", b"[1]", "unreadable_event"),
    among_good("an event that is null", b"null", "unreadable_event"),
    among_good("an event that is a number", b"7", "unreadable_event"),
    among_good("an event without anything", b"{}", UNKNOWN),
    among_good("key twice: the last one wins", event(player_id="p")[:-1] + b',"player_id":"last"}', None),
    among_good("key twice, the last one wrong", event(player_id="p")[:-1] + b',"player_id":1}', VIOLATION),
    among_good("5,000 properties", custom(b"{%b}" % b",".join(b'"k%d":0' % i for i in range(2500))), None),
    among_good("same key 2,000 times", custom(b"{%b}" % b",".join([b'"k":0'] * 2000)), None),
    among_good("__proto__ and constructor", custom(b'{"__proto__":{"a":1},"constructor":1}'), None),
    among_good("SQL, HTML and a format string", custom(b'"\'; DROP TABLE x;-- <script>%s%n{0}${jndi:ldap://x}"'), None),
]

SYNTAX = [
    no_json("True for true", custom(b"True")),
    no_json("key without a value", custom(b'{"a"}')),
    no_json("comma too many inside", custom(b"[1,]")),
    no_json("number with a leading 0", custom(b"0123")),
    no_json("number with a plus", custom(b"+1")),
    no_json("hexadecimal number", custom(b"0x10")),
    no_json("point without digits", custom(b"1.")),
    no_json("escape nobody knows", custom(rb'"\x41"')),
    no_json("escape cut off", custom(rb'"\u12"')),
]

NAMES = [
    among_good("unknown event", event(event_name="nothing_like_it"), UNKNOWN),
    among_good("event name is a path", event(event_name="../purchase"), UNKNOWN),
    among_good("event name of 20 KB", event(event_name="x" * 20_000), UNKNOWN),
    *(
        among_good(f"event name: {name!r}", event(event_name=name), UNKNOWN)
        for name in (None, 1, [], {}, "", "HEARTBEAT", ...)
    ),
    *(
        among_good(f"event version: {version!r}", event(event_version=version), UNKNOWN)
        for version in (999, 0, -1, True, "1", 1.0, 1.5, None, [], 2**63, ...)
    ),
    among_good("event version of 5,000 digits", written(event_version=b"1" * 5000), "number_not_finite"),
]

NO_IDS = {"missing": ..., "null": None, "empty": "", "number": 1, "list": [], "object": {}}
ENVELOPE = [
    among_good("key nobody knows", event(colour="red"), VIOLATION),
    among_good("says its own game", event(game_id="other"), VIOLATION),
    among_good(
        "says its own times", event(received_ts="2020-01-01T00:00:00Z", event_ts="2020-01-01T00:00:00Z"), VIOLATION
    ),
    *violations(
        "event_id",
        "event_id",
        NO_IDS
        | {
            "no UUID": "1234",
            "UUID in braces": "{7f0c2a56-4a53-4f0e-9a57-4a1f5f3f7f10}",
            "UUID without dashes": "7f0c2a564a534f0e9a574a1f5f3f7f10",
            "UUID and a line end": "7f0c2a56-4a53-4f0e-9a57-4a1f5f3f7f10\n",
            "UUID of other digits": "٧f0c2a56-4a53-4f0e-9a57-4a1f5f3f7f10",
        },
    ),
    *violations("player_id", "player_id", NO_IDS | {"129 letters": "x" * 129, "true": True}),
    among_good("player_id of 128 letters", event(player_id="ü" * 128), None),
    among_good("device_id alone", event(player_id=..., device_id="d"), None),
    among_good("good player, empty device", event(device_id=""), VIOLATION),
    *(
        violation
        for key in ("player_id", "device_id", "session_id", "platform", "build_version", "environment")
        for violation in violations(key, key, {repr(odd): f"a{odd}b" for odd in "\x01\t\n\x1f\x7f\x85\x9f"})
    ),
    *violations("platform", "platform", {"empty": "", "number": 1, "65 letters": "x" * 65}),
    *violations(
        "country",
        "country",
        {
            "small letters": "de",
            "name": "Germany",
            "number": 49,
            "digits": "49",
            "line end": "DE\n",
            "other letters": "ДЕ",
        },
    ),
    *violations("properties", "properties", {"null": None, "list": [], "text": "{}", "number": 0}),
]

TIMES = [
    *violations(
        "created_ts",
        "created_ts",
        NO_IDS
        | {
            "no zone": "2026-11-23T12:00:00",
            "leap second": "2016-12-31T23:59:60Z",
            "year 0": "0000-01-01T00:00:00Z",
            "year 10000": "10000-01-01T00:00:00Z",
            "seconds": 1_700_000_000,
            "seconds as text": "1700000000",
            "a day": "2026-11-23",
            "30 February": "2026-02-30T00:00:00Z",
            "24 o'clock": "2026-11-23T24:00:00Z",
            "hour 25": "2026-11-23T25:00:00Z",
            "space for T": "2026-11-23 12:00:00Z",
            "small letters": "2026-11-23t12:00:00z",
            "offset of 25 hours": "2026-11-23T12:00:00+25:00",
            "ten decimals": "2026-11-23T12:00:00.0123456789Z",
            "line end": "2026-11-23T12:00:00Z\n",
            "a week": "2026-W48-1T12:00:00Z",
            "other digits": "٢٠٢٦-11-23T12:00:00Z",
            "a word": "now",
            "year 1969": "1969-12-31T23:59:59Z",
            "year 1969 in UTC": "1970-01-01T00:00:00+01:00",
            "year 2200": "2200-01-01T00:00:00Z",
            "year 2200 in UTC": "2199-12-31T23:59:59-10:00",
            "year 9999": "9999-12-31T23:59:59Z",
        },
    ),
    among_good("created_ts: year 2199", event(created_ts="2199-12-31T23:59:59Z"), None),
    among_good("created_ts: 1970", event(created_ts="1970-01-01T00:00:00Z"), None),
    among_good("created_ts: nine decimals", event(created_ts="2026-11-23T12:00:00.012345678Z"), None),
]

MONEY = [
    *(
        among_good(f"price: {name}", bought(price_minor=value), VIOLATION)
        for name, value in {
            "4.99": 4.99,
            "499.0": b"499.0",
            "4.99e2": b"4.99e2",
            "negative": -1,
            "text": "499",
            "true": True,
            "null": None,
            "a million millions": 10**12,
            "20 digits": 10**20,
            "-0.0": b"-0.0",
            "list": [499],
        }.items()
    ),
    among_good("price: 100 digits", bought(price_minor=b"9" * 100), VIOLATION),
    among_good("price: NaN", bought(price_minor=b"NaN"), "number_not_finite"),
    among_good("price: 0", bought(price_minor=0), None),
    among_good("price: a million dollars", bought(price_minor=10**8, currency="USD"), None),
    among_good("price: a cent more", bought(price_minor=10**8 + 1, currency="USD"), "amount_out_of_range"),
    among_good("currency: none that is known", bought(currency="QQQ"), VIOLATION),
    *(
        among_good(f"currency: {name!r}", bought(currency=name), VIOLATION)
        for name in ("usd", "US", "USDX", "", 840, None, "US\n", "€€€")
    ),
    among_good("receipt status nobody knows", bought(receipt_status="maybe"), VIOLATION),
    among_good("purchase without properties", event(event_name="purchase"), VIOLATION),
    among_good("transaction of 257 letters", bought(transaction_id="x" * 257), VIOLATION),
]

EVENT_CASES = [*STRINGS, *NUMBERS, *SHAPES, *SYNTAX, *NAMES, *ENVELOPE, *TIMES, *MONEY]

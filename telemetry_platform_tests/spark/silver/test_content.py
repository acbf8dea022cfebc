import json
import random
from decimal import Context, Decimal
from typing import Any

from pyspark.sql import SparkSession

from telemetry_platform.transforms.silver.content import canonical_json, content_fingerprint
from telemetry_platform_tests.builders import at, bronze_event, rows_of, table

EXACT = Context(prec=200)
EQUAL = [
    ['{"a":1}', '{"a":1.0}', '{"a":1e0}', '{"a":10E-1}', '{ "a" :\t1.000 }\n', '{"\\u0061":0.1e+1}'],
    ['{"a":-0}', '{"a":0}', '{"a":-0.0e7}', '{"a":0e999999999999999999999999999999999999}'],
    ['{"a":9007199254740993}', '{"a":9007199254740993.0}', '{"a":9.007199254740993e15}'],
    ['{"b":[1,{"d":2,"c":3}],"a":{}}', '{"a":{},"b":[1.0,{"c":3,"d":2}]}'],
    ['{"a":"\\ud83d\\ude00/"}', '{"a":"😀\\/"}'],
    ['{"a":"\\u000a\\u0022\\\\"}', '{"a":"\\n\\"\\u005c"}'],
    ["{}", " { } "],
    [
        '{"a":12345678901234567890123456789012345678901234567890}',
        '{"a":1234567890123456789012345678901234567890123456789e1}',
    ],
]
DIFFERENT = [
    '{"a":1}',
    '{"a":"1"}',
    '{"a":"n1e0"}',
    '{"a":-1}',
    '{"a":10}',
    '{"a":true}',
    '{"a":"true"}',
    '{"a":null}',
    "{}",
    '{"A":1}',
    '{"a":[1,2]}',
    '{"a":[2,1]}',
    '{"a":[[1],2]}',
    '{"a":9007199254740992}',
    '{"a":9007199254740993}',
    '{"a":123456789012345678901234567890123456789012}',
    '{"a":123456789012345678901234567890123456789013}',
    '{"a":0.1}',
    '{"a":0.1000000000000000055511151231257827}',
    '{"a":1e400}',
    '{"a":1e401}',
    '{"a":1e-400}',
    '{"a":1,"a":2}',
    '{"a":2,"a":1}',
    '{"a":"é"}',
    '{"a":"e\u0301"}',
    '{"a":"\\ud800"}',
    '{"a":"\\udc00"}',
    '{"a":"\\\\ud83d\\ude00"}',
    '{"a":"?"}',
    '{"a":1"}',
    '{"a":1} {}',
    '{"a":01}',
    '{"a":"x-1.0"}',
    '{"a":"x-1"}',
    '{"a":"\\"1.0"}',
    '{"a":"\\"1"}',
]


def canonical(spark: SparkSession, texts: list[str | None]) -> list[str]:
    frame = spark.createDataFrame(list(enumerate(texts)), "n int, text string")
    return [row.canonical for row in rows_of(frame.select("n", canonical_json("text").alias("canonical")), "n")]


def test_spelling_and_the_order_of_keys_make_no_difference(spark: SparkSession):
    found = iter(canonical(spark, [text for group in EQUAL for text in group]))
    assert [len({next(found) for _ in group}) for group in EQUAL] == [1] * len(EQUAL)


def test_what_is_not_the_same_value_is_not_equal(spark: SparkSession):
    found = canonical(spark, DIFFERENT)
    by_canonical: dict[str, list[str]] = {}
    for text, one in zip(DIFFERENT, found, strict=True):
        by_canonical.setdefault(one, []).append(text)
    assert [texts for texts in by_canonical.values() if len(texts) > 1] == []


def test_no_properties_are_empty_ones_and_deep_or_long_text_is_compared_too(spark: SparkSession):
    long = '{"a":"' + "\\n" * 300_000 + '","b":' + "9" * 100_000 + "}"
    deep = '{"a":' * 200 + "1" + "}" * 200
    deeper = "[" * 20_000 + "]" * 20_000
    found = canonical(spark, [None, "{}", long, long.replace("\\n", "\\u000a"), deep, deep.replace("1", "1.0"), deeper])
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert found[4] == found[5]
    assert found[6] == deeper


def test_canonical_texts_are_equal_exactly_when_the_values_are(spark: SparkSession):
    chance = random.Random(1)
    values = [{"a": a_value(chance)} for _ in range(1500)]
    texts = [spelled(value, chance) for value in values for _ in range(3)]
    by_value: dict[str, set[str]] = {}
    for number, one in enumerate(canonical(spark, texts)):
        by_value.setdefault(oracle(values[number // 3]), set()).add(one)
    assert {value: found for value, found in by_value.items() if len(found) > 1} == {}
    assert len(set().union(*by_value.values())) == len(by_value) > 500


def test_every_key_that_a_client_sends_counts_and_the_stamps_of_sending_do_not(spark: SparkSession):
    one = bronze_event(session_id="s", level=1) | {"sent_ts": at("12:00")}
    others = [
        {name: "other"}
        for name in ("event_name", "player_id", "device_id", "session_id", "platform", "build_version", "country")
    ]
    others += [{"environment": None}, {"event_version": 2}, {"created_ts": at("12:00:00.000001")}]
    others += [{"properties": '{"level":2}'}, {"player_id": "d1", "device_id": "p1"}]
    same = [{}, {"sent_ts": None}, {"received_ts": at("13:00")}, {"event_ts": at("11:00")}, {"kafka_offset": 7}]
    same += [{"event_id": one["event_id"].upper()}, {"properties": '{"level":1e0}'}, {"source": "direct"}]
    frame = table(spark, "bronze.events", [one | change for change in same + others])
    found = [row.content for row in frame.select(content_fingerprint().alias("content")).collect()]
    assert len(set(found[: len(same)])) == 1
    assert len(set(found)) == 1 + len(others)


def a_value(chance: random.Random, depth: int = 0) -> Any:
    kinds = ["int", "decimal", "text", "word"] + (["list", "object"] if depth < 3 else [])
    kind = chance.choice(kinds)
    if kind == "list":
        return [a_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == "object":
        return {a_text(chance): a_value(chance, depth + 1) for _ in range(chance.randrange(4))}
    if kind == "int":
        return Decimal(chance.choice([0, 1, -1, 10, 2**53 + 1, 10**40 + chance.randrange(2)]))
    if kind == "decimal":
        return Decimal(chance.randrange(-20, 20)).scaleb(chance.randrange(-3, 3))
    return a_text(chance) if kind == "text" else chance.choice([None, True, False])


def a_text(chance: random.Random) -> str:
    return "".join(chance.choice('ab1-."\\/\n\u00e9😀\x00') for _ in range(chance.randrange(3)))


def spelled(value: Any, chance: random.Random) -> str:
    """One of the many ways to write a value as JSON."""
    space = chance.choice(["", "", " ", "\n"])
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        inside = ("," + space).join(f"{spelled(key, chance)}{space}:{spelled(one, chance)}" for key, one in items)
        return "{" + space + inside + "}"
    if isinstance(value, list):
        return "[" + ("," + space).join(spelled(one, chance) for one in value) + space + "]"
    if isinstance(value, Decimal):
        return spelled_number(value, chance)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=chance.random() < 0.5).replace("/", chance.choice(["/", "\\/"]))
    return json.dumps(value)


def spelled_number(value: Decimal, chance: random.Random) -> str:
    shift = chance.randrange(-3, 4)
    plain = f"{value.scaleb(-shift, context=EXACT):f}"
    if chance.random() < 0.4:
        plain += ("" if "." in plain else ".") + "0" * chance.randrange(1, 3)
    if shift == 0 and chance.random() < 0.5:
        return plain
    return plain + chance.choice("eE") + (chance.choice(["", "+"]) if shift >= 0 else "") + str(shift)


def oracle(value: Any) -> str:
    """Canonical form of a value, computed in Python."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{oracle(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(oracle(one) for one in value) + "]"
    if isinstance(value, Decimal):
        return f"number {value.normalize(EXACT) if value else 0}"
    return repr(value)

"""Spark reads an accepted event as Python does: the columns and the validation come from the same files."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as sf

from telemetry_platform.contracts.catalogue import builtin_catalogue
from telemetry_platform.contracts.columns import envelope_columns, properties_columns
from telemetry_platform.contracts.examples import read_examples
from telemetry_platform.contracts.inlining import inlined
from telemetry_platform.contracts.schemas import builtin_folder, envelope, event_schemas
from telemetry_platform.contracts.value_kinds import value_kind

Event = dict[str, Any]

# What the schemas' patterns describe, as strategies.
UUIDS = st.uuids().map(str)
COUNTRIES = st.from_regex(r"\A[A-Z]{2}\Z")
# The collector refuses NUL and lone surrogates before any schema sees them.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
# Names hold no control characters at all.
NAME_CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"])
# The contract's years, a day less on either side: the offset must not move a time out of them.
EARLIEST, LATEST = datetime(1970, 1, 2), datetime(2199, 12, 30)
FLAT_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(CHARACTERS, max_size=10),
)
UNKNOWN_VALUES = st.recursive(
    FLAT_VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS, max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def timestamps(draw: st.DrawFn) -> str:
    moment = draw(st.datetimes(EARLIEST, LATEST)).replace(microsecond=0)
    fraction = draw(st.sampled_from(["", "."])) and "." + draw(st.from_regex(r"\A[0-9]{1,9}\Z"))
    zone = draw(st.sampled_from(["Z", "+00:00", "-00:00", "+01:00", "-07:30", "+14:00", "+17:59", "-17:59"]))
    return f"{moment.isoformat()}{fraction}{zone}"


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values a property of the built-in contract may have."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return st.one_of([of_type(kind, schema) for kind in kinds])


def of_type(kind: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    least, most = schema.get("minimum"), schema.get("maximum")
    match kind:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(least, most)
        case "number":
            floats = st.floats(least, most, allow_nan=False, allow_infinity=False)
            return floats | st.integers(-(2**60) if least is None else least, 2**60 if most is None else most)
        case "string":
            characters = NAME_CHARACTERS if "pattern" in schema else CHARACTERS
            return st.text(characters, min_size=schema.get("minLength", 0), max_size=min(schema["maxLength"], 20))
    raise AssertionError(f"no strategy for {schema}")


@st.composite
def events(draw: st.DrawFn) -> Event:
    name, version = draw(st.sampled_from(sorted(event_schemas())))
    schema = inlined(event_schemas()[name, version], envelope())["properties"]["properties"]
    known = inlined(envelope(), envelope())["properties"]
    special = {"country": COUNTRIES}
    drawn_apart = {"event_id", "event_name", "event_version", "created_ts", "player_id", "properties"}
    optional = {key: special[key] if key in special else values(known[key]) for key in known.keys() - drawn_apart}
    optional = dict(sorted(optional.items()))
    sent = draw(st.fixed_dictionaries({"event_id": UUIDS, "created_ts": timestamps()}, optional=optional))
    required = schema.get("required", [])
    described = {key: values(value) for key, value in schema.get("properties", {}).items()}
    properties = draw(
        st.fixed_dictionaries(
            {key: described[key] for key in required},
            optional={key: value for key, value in described.items() if key not in required}
            | {"made_up": UNKNOWN_VALUES},
        )
    )
    player = draw(values(known["player_id"]))
    return sent | {"event_name": name, "event_version": version, "player_id": player, "properties": properties}


def generated() -> list[Event]:
    """Return the same few hundred valid events on every run."""
    found: list[Event] = []

    @settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(events())
    def collect(event: Event) -> None:
        contract = builtin_catalogue().get(event["event_name"], event["event_version"])
        assert contract is not None
        assert contract.accepts(event), [problem.message for problem in contract.problems(event)]
        found.append(event)

    collect()
    return found


@pytest.fixture(scope="module")
def read(spark: SparkSession) -> list[tuple[Event, Row]]:
    """Every event with what Spark read of it, in one job."""
    examples = [example.document for example in read_examples(builtin_folder()) if example.is_accepted]
    sent = [*examples, *generated()]
    texts = [json.dumps(event, ensure_ascii=number % 2 == 0) for number, event in enumerate(sent)]
    rows = as_columns(spark.createDataFrame(list(enumerate(texts)), "number INT, text STRING")).collect()
    by_number = {row["number"]: row for row in rows}
    return [(event, by_number[number]) for number, event in enumerate(sent)]


def as_columns(texts: DataFrame) -> DataFrame:
    """Read the envelope, and of each event its own properties; times as microseconds, which no zone can bend."""
    parsed = texts.withColumn("e", sf.from_json("text", envelope_columns()))
    own = [
        sf.when(is_event(name, version), sf.from_json("e.properties", properties_columns(name, version))).alias(name)
        for name, version in sorted(event_schemas())
        if properties_columns(name, version).fields
    ]
    return parsed.select("number", "e", sf.unix_micros("e.created_ts").alias("created_micros"), *own)


def is_event(name: str, version: int) -> Column:
    return (sf.col("e.event_name") == name) & (sf.col("e.event_version") == version)


def test_there_are_events_of_every_kind(read: list[tuple[Event, Row]]):
    assert {(event["event_name"], event["event_version"]) for event, _ in read} == set(event_schemas())
    assert len(read) > 400


def test_spark_reads_the_envelope_as_python_does(read: list[tuple[Event, Row]]):
    text_keys = [key for key in envelope()["properties"] if key not in {"created_ts", "properties"}]
    for event, row in read:
        sent = {key: event.get(key) for key in text_keys}
        assert {key: row["e"][key] for key in text_keys} == sent
        assert [type(row["e"][key]) for key in text_keys] == [type(value) for value in sent.values()]
        assert row["created_micros"] == micros(event["created_ts"])


def test_the_properties_column_holds_the_whole_properties(read: list[tuple[Event, Row]]):
    for event, row in read:
        text = row["e"]["properties"]
        assert (None if text is None else json.loads(text)) == event.get("properties")


def test_spark_reads_every_property_as_python_does(read: list[tuple[Event, Row]]):
    for event, row in read:
        for name, schema, got in own_properties(event, row):
            sent = event["properties"].get(name)
            if sent is not None and value_kind(schema) == "number":
                sent = float(sent)
            elif isinstance(sent, int) and value_kind(schema) == "text":
                sent = str(sent)
            assert (got, type(got)) == (sent, type(sent)), (event, name)


def own_properties(event: Event, row: Row) -> Iterator[tuple[str, dict[str, Any], Any]]:
    name = event["event_name"]
    schema = inlined(event_schemas()[name, event["event_version"]], envelope())["properties"]["properties"]
    if event.get("properties") is not None:
        for key, value in schema.get("properties", {}).items():
            yield key, value, row[name][key]


def micros(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time; what is finer is cut off."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize("form", [float, str], ids=["499.0", "text"])
def test_a_whole_number_in_a_form_that_spark_reads_as_null_is_refused(form: type):
    """Refused are `499.0` and `"499"`: from_json gives NULL for both, and the money would be lost silently."""
    checked = 0
    for example in read_examples(builtin_folder()):
        for name in whole_properties(example.document) if example.case == "full" else ():
            event = copy.deepcopy(example.document)
            event["properties"][name] = form(event["properties"][name])
            contract = builtin_catalogue().get(*example.event)
            assert contract is not None
            assert contract.accepts(example.document)
            assert not contract.accepts(event)
            checked += 1
    assert checked == sum(len(list(whole_names(*one))) for one in event_schemas())


def test_spark_does_read_such_a_number_as_null(spark: SparkSession):
    columns = properties_columns("purchase", 1)
    texts = [("499",), ("499.0",), ("4.99e2",), ('"499"',)]
    row = spark.createDataFrame(texts, "price STRING").select(
        sf.from_json(sf.format_string('{"price_minor": %s}', "price"), columns)["price_minor"].alias("price")
    )
    assert [one["price"] for one in row.collect()] == [499, None, None, None]


def whole_properties(event: Event) -> list[str]:
    return [name for name in whole_names(event["event_name"], event["event_version"]) if name in event["properties"]]


def whole_names(event_name: str, version: int) -> Iterator[str]:
    schema = inlined(event_schemas()[event_name, version], envelope())["properties"]["properties"]
    return (key for key, value in schema.get("properties", {}).items() if value_kind(value) == "integer")

"""What an event says, as a fingerprint: equal for two copies when their canonical JSON is (metrics.md, Duplicate).

Canonical is: keys sorted at every depth, one spelling for every number and every escape. Spark's VARIANT sorts keys
and undoes escapes, but makes doubles of long numbers and calls `1` and `1.0` different: so numbers go in as text.
"""

from pyspark.sql import Column
from pyspark.sql import functions as sf

# What the client said about an event besides its id, and besides when it sent it.
_ENVELOPE = (
    "event_name",
    "event_version",
    "player_id",
    "device_id",
    "session_id",
    "platform",
    "build_version",
    "country",
    "environment",
)

# A string, a number, or what is between them; whatever else there is a character at a time, so that nothing is lost.
_JSON_PARTS = r'(?s)"[^"\\]*+(?:\\.[^"\\]*+)*+"|[-0-9][-+.0-9eE]*+|[^"0-9-]++|.'
_NUMBER = r"^-?(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?$"
# Half of a surrogate pair is no character: every such half becomes the same question mark in UTF-8.
_HAS_WHOLE_CHARACTERS = (
    r"(?s)\A(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+\z"
)


def content_fingerprint() -> Column:
    """SHA-256, in hexadecimal digits, of what the row's client said: two copies with the same are natural copies."""
    said = sf.struct(
        *_ENVELOPE, sf.unix_micros("created_ts").alias("created"), canonical_json("properties").alias("properties")
    )
    return sf.sha2(sf.to_json(said), 256)


def canonical_json(column: str) -> Column:
    """Return JSON text that is equal for equal values; text that is no JSON, or names a key twice, as it is.

    Numbers are equal when they are as decimals of any length, -0 and 0 among them. It is JSON, but for comparing:
    strings begin with `s`, and numbers are strings of their digits without zeros at either end and an exponent.
    """
    text = sf.coalesce(sf.col(column), sf.lit("{}"))
    marked = sf.array_join(sf.transform(sf.regexp_extract_all(text, sf.lit(_JSON_PARTS), sf.lit(0)), _marked), "")
    # In brackets: what follows the first value would not be looked at.
    parsed = sf.try_parse_json(sf.concat(sf.lit("["), marked, sf.lit("]")))
    return sf.coalesce(sf.when(text.rlike(_HAS_WHOLE_CHARACTERS), sf.to_json(parsed)), text)


def _marked(token: Column) -> Column:
    text = sf.concat(sf.lit('"s'), sf.substr(token, sf.lit(2)))
    number = sf.concat(sf.lit('"n'), _canonical_number(token), sf.lit('"'))
    return sf.when(token.startswith('"'), text).when(token.rlike(_NUMBER), number).otherwise(token)


def _canonical_number(number: Column) -> Column:
    """`-12.50` and `-125e-1` are `-125e-1`; every zero is `0`."""
    whole, fraction, exponent = (sf.regexp_extract(number, _NUMBER, group) for group in (1, 2, 3))
    digits = sf.ltrim(sf.concat(whole, fraction), sf.lit("0"))
    kept = sf.rtrim(digits, sf.lit("0"))
    written = sf.when(exponent == "", sf.lit(0)).otherwise(exponent.try_cast("decimal(30,0)"))
    shift = written - sf.length(fraction) + sf.length(digits) - sf.length(kept)
    sign = sf.when(number.startswith("-"), "-").otherwise("")
    canonical = sf.concat(sign, kept, sf.lit("e"), shift.cast("string"))
    # An exponent of more than thirty digits stays as it is written.
    return sf.when(digits == "", "0").otherwise(sf.coalesce(canonical, number))

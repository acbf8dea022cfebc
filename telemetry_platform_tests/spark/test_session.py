"""The session's JVM, on a machine with a Turkish locale, another encoding and another zone (see conftest.py)."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf


def test_the_machines_locale_encoding_and_zone_do_not_reach_the_session(spark: SparkSession):
    jvm = spark._jvm
    assert jvm is not None
    assert jvm.java.util.Locale.getDefault().toString() == "en_US"
    assert jvm.java.util.Locale.getDefault(jvm.java.util.Locale.Category.FORMAT).toString() == "en_US"
    assert jvm.java.nio.charset.Charset.defaultCharset().name() == "UTF-8"
    assert jvm.java.util.TimeZone.getDefault().getID() == "UTC"


def test_text_is_upper_cased_and_numbers_are_written_as_in_english(spark: SparkSession):
    row = spark.range(1).select(
        sf.upper(sf.lit("install")).alias("text"), sf.format_string("%,d", sf.lit(1234567)).alias("n")
    )
    assert row.first() == ("INSTALL", "1,234,567")

"""How JVMs are started."""

from pathlib import Path

from telemetry_platform.jvm import CODE_CACHE, LOCALE
from telemetry_platform.lake.session import spark_settings
from telemetry_platform.local.broker import JVM_OPTIONS
from telemetry_platform.settings import read_settings


def test_every_jvm_has_room_for_compiled_code_and_a_fixed_locale(tmp_path: Path):
    settings = read_settings({"TELEMETRY_HOME": str(tmp_path)})
    for options in (
        JVM_OPTIONS,
        spark_settings(settings, "batch")["spark.driver.extraJavaOptions"].split(),
        spark_settings(settings, "bulk")["spark.driver.extraJavaOptions"].split(),
        spark_settings(settings, "stream")["spark.driver.extraJavaOptions"].split(),
    ):
        assert {CODE_CACHE, *LOCALE} <= set(options)

"""One local Spark session for the whole suite."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from telemetry_platform.lake.session import build_session
from telemetry_platform.settings import PROJECT_ROOT, read_settings


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Session as the product builds it, on a home of its own."""
    # PySpark converts timestamps in the process's own zone: rows must come back as they went in.
    os.environ["TZ"] = "UTC"
    time.tzset()
    home: Path = tmp_path_factory.mktemp("home")
    jars = os.environ.get("TELEMETRY_JARS", str(PROJECT_ROOT / ".jars"))
    settings = read_settings(
        {"TELEMETRY_HOME": str(home), "TELEMETRY_JARS": jars, "TELEMETRY_SPARK_DRIVER_MEMORY": "1g"}
    )
    session = build_session(settings, "batch", app_name="tests")
    yield session
    session.stop()

"""What a batch leaves in the table besides its rows."""

from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from streaming.bronze_writer import BronzeWriter
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.lake.log import open_table
from telemetry_platform.lake.tables import Lake
from telemetry_platform.settings import read_settings

DIRECT = "struct<value: binary, topic: string, partition: int, offset: bigint, timestamp: timestamp>"


def test_a_batch_without_rows_is_recorded_in_the_table_like_any_other(spark: SparkSession, tmp_path: Path):
    settings = read_settings({"TELEMETRY_HOME": str(tmp_path)})
    Lake(settings.lake, spark).ensure(BRONZE_EVENTS)
    columns = [sf.lit(None).cast(field.dataType).alias(field.name) for field in BRONZE_EVENTS.schema.fields]
    nothing = spark.range(2).where("id > 5").select(*columns, sf.lit(None).cast(DIRECT).alias("direct"))
    writer = BronzeWriter(settings)
    for batch in (0, 1):
        writer.write(nothing, batch)
        table = open_table(settings.lake, "bronze.events")
        assert table is not None
        assert table.transaction_version("bronze_events") == batch
        assert table.transaction_version("bronze_events.direct") is None
        assert table.version() == batch + 1

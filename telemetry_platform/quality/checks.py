"""A table's key and row rules, counted together."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.quality.rules import compile_rules
from telemetry_platform.quality.schemas import MODELS


@dataclass(frozen=True)
class Found:
    """Rows looked at, rows whose key is NULL or not their own, and rows that break each rule."""

    rows: int
    key_violations: int
    rule_violations: dict[str, int]


def check_rows(rows: DataFrame, table: Table) -> Found:
    """Count rows, key violations and rule violations in one job with one shuffle."""
    rules = compile_rules(MODELS[table.name])
    has_null_key = sf.greatest(*(sf.col(key).isNull().cast("int") for key in table.keys), sf.lit(0))
    by_key = rows.groupBy(*table.keys).agg(
        sf.count("*").alias("copies"),
        *(sf.sum(broken.cast("bigint")).alias(f"rule_{number}") for number, broken in enumerate(rules.values())),
    )
    counted = by_key.agg(
        sf.sum("copies").alias("rows"),
        sf.sum(sf.when(has_null_key == 1, sf.col("copies")).otherwise(sf.col("copies") - 1)).alias("keys"),
        *(sf.sum(f"rule_{number}").alias(f"rule_{number}") for number in range(len(rules))),
    ).first()
    if counted is None or counted["rows"] is None:
        return Found(0, 0, dict.fromkeys(rules, 0))
    return Found(
        counted["rows"],
        counted["keys"],
        {name: counted[f"rule_{number}"] for number, name in enumerate(rules)},
    )

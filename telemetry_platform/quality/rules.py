"""Pandera models as Spark columns.

Pandera's own validation of a PySpark frame starts two jobs a rule and answers yes or no; compiled
into columns, all rules of a table are counted in one job, and the same columns can split rows.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pandera.pyspark as pa
from pyspark.sql import Column
from pyspark.sql import functions as sf

from telemetry_platform.errors import TelemetryError

_COMPILERS: dict[str, Callable[[Column, Mapping[str, Any]], Column]] = {
    "greater_than_or_equal_to": lambda column, bounds: column < bounds["min_value"],
    "greater_than": lambda column, bounds: column <= bounds["min_value"],
    "less_than_or_equal_to": lambda column, bounds: column > bounds["max_value"],
    "less_than": lambda column, bounds: column >= bounds["max_value"],
    "isin": lambda column, bounds: ~column.isin(*bounds["allowed_values"]),
}


def compile_rules(model: type[pa.DataFrameModel]) -> dict[str, Column]:
    """Name and violation of each rule of a model: the column is true where a row breaks it, never NULL."""
    rules: dict[str, Column] = {}
    for name, field in model.to_schema().columns.items():
        if not field.nullable:
            rules[f"{name}_is_null"] = sf.col(name).isNull()
        for check in field.checks:
            compiler = _COMPILERS.get(str(check.name))
            if compiler is None:
                raise TelemetryError(f"{model.__name__}.{name}: {check.name} has no Spark form: add it to rules.py.")
            broken = compiler(sf.col(name), check.statistics or {})
            rules[f"{name}_{check.name}"] = sf.coalesce(broken, sf.lit(False))
    return rules

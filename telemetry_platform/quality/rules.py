"""Pandera models as Spark columns.

Pandera's own validation of a PySpark frame starts two jobs a rule and answers yes or no; compiled
into columns, all rules of a table are counted in one job, and the same columns can split rows.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pandera.pyspark as pa
from pyspark.sql import Column
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.column import MONEY
from telemetry_platform.errors import TelemetryError

_COMPILERS: dict[str, Callable[[Column, Mapping[str, Any]], Column]] = {
    "greater_than_or_equal_to": lambda column, bounds: column < bounds["min_value"],
    "greater_than": lambda column, bounds: column <= bounds["min_value"],
    "less_than_or_equal_to": lambda column, bounds: column > bounds["max_value"],
    "less_than": lambda column, bounds: column >= bounds["max_value"],
    "isin": lambda column, bounds: ~column.isin(*bounds["allowed_values"]),
}


def compile_rules(model: type[pa.DataFrameModel]) -> dict[str, Column]:
    """Name and violation of each rule of a model: the column is true where a row breaks it, never NULL.

    That money is NULL is no such rule but `unfit_sums`: the row stands, with a sum that its column cannot hold.
    """
    rules: dict[str, Column] = {}
    for name, field in model.to_schema().columns.items():
        if not field.nullable and not _is_money(field):
            rules[f"{name}_is_null"] = sf.col(name).isNull()
        for check in field.checks:
            compiler = _COMPILERS.get(str(check.name))
            if compiler is None:
                raise TelemetryError(f"{model.__name__}.{name}: {check.name} has no Spark form: add it to rules.py.")
            broken = compiler(sf.col(name), check.statistics or {})
            rules[f"{name}_{check.name}"] = sf.coalesce(broken, sf.lit(False))
    return rules


def unfit_sums(model: type[pa.DataFrameModel]) -> dict[str, Column]:
    """Name and condition of each sum of money that a row must have and does not, for it did not fit."""
    return {f"{name}_does_not_fit": sf.col(name).isNull() for name in required_sums(model)}


def required_sums(model: type[pa.DataFrameModel]) -> list[str]:
    """Columns of money that every row must have; needs no Spark session."""
    return [name for name, field in model.to_schema().columns.items() if not field.nullable and _is_money(field)]


def _is_money(field: Any) -> bool:
    return getattr(field.dtype, "type", None) == MONEY

"""Rows on their way into a table: those that keep its rules, and those that are set aside.

A row that breaks a rule or shares its key costs itself, never the table. Counts come out of the very job that
writes the rows; only where there is a fault are the rows looked at a second time, to name games and examples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.quality.rules import compile_rules, unfit_sums
from telemetry_platform.quality.schemas import MODELS

SHARES_KEY = "shares_key"
KEY_IS_NULL = "key_is_null"
KEY_FAULTS = (SHARES_KEY, KEY_IS_NULL)

_FAULTS = "_faults"
_UNFIT = "_unfit"


@dataclass(frozen=True)
class GameFault:
    """How often one rule was broken by one game's rows, with the keys of a few of them."""

    game_id: str | None
    rule: str
    rows: int
    samples: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """What a table's rows were found to be: how many came in, and what was wrong with which game's.

    `set_aside` were not written; `unfit` were, with NULL for a sum that its column cannot hold.
    """

    rows: int
    set_aside: tuple[GameFault, ...] = field(default=())
    unfit: tuple[GameFault, ...] = field(default=())


class AuditedRows:
    """The rows of one write. `accepted` has to be written before `audit` is asked for."""

    def __init__(self, rows: DataFrame, table: Table) -> None:
        self._table = table
        self._tagged = _tagged(rows, table)
        self._counts = Observation()
        observed = self._tagged.observe(
            self._counts,
            sf.count("*").alias("rows"),
            sf.count_if(sf.size(_FAULTS) > 0).alias("faulty"),
            sf.count_if(sf.size(_UNFIT) > 0).alias("unfit"),
        )
        self.accepted: DataFrame = observed.where(sf.size(_FAULTS) == 0).select(*table.schema.fieldNames())

    def audit(self) -> Audit:
        """Return what was found; looks at the rows again only where something was."""
        counts: Mapping[str, int] = self._counts.get
        set_aside = self._by_game(_FAULTS) if counts["faulty"] else ()
        unfit = self._by_game(_UNFIT, sf.size(_FAULTS) == 0) if counts["unfit"] else ()
        return Audit(counts["rows"], set_aside, unfit)

    def _by_game(self, faults: str, condition: Column | None = None) -> tuple[GameFault, ...]:
        broken = self._tagged if condition is None else self._tagged.where(condition)
        return faults_by_game(broken.withColumn("rule", sf.explode(faults)), rule="rule", keys=self._table.keys)


def faults_by_game(rows: DataFrame, *, rule: str, keys: Sequence[str]) -> tuple[GameFault, ...]:
    """Count faulty rows by game and by what their column `rule` says, with the `keys` of a few of each."""
    key = sf.concat_ws(", ", *(sf.coalesce(sf.col(name).cast("string"), sf.lit("NULL")) for name in keys))
    found = (
        rows.select(sf.col("game_id").alias("game"), key.alias("key"), sf.col(rule).alias("rule"))
        .groupBy("game", "rule")
        # Two that do not depend on the order of rows: a list of all could be as long as the table.
        .agg(sf.count("*").alias("rows"), sf.array_distinct(sf.array(sf.min("key"), sf.max("key"))).alias("samples"))
        .orderBy("game", "rule")
    )
    return tuple(GameFault(row.game, row.rule, row["rows"], tuple(row.samples)) for row in found.collect())


def _tagged(rows: DataFrame, table: Table) -> DataFrame:
    """Add the names of the rules each row breaks, and of its sums that do not fit."""
    model = MODELS.get(table.name)
    rules, sums = (compile_rules(model), unfit_sums(model)) if model else ({}, {})
    has_null = sf.lit(False)
    for key in table.keys:
        has_null = has_null | sf.col(key).isNull()
    # Without an order: the rows often come sorted by their key, and need not be sorted again.
    copies = sf.count("*").over(Over.partitionBy(*table.keys))
    broken = {KEY_IS_NULL: has_null, SHARES_KEY: ~has_null & (copies > 1), **rules}
    return rows.withColumns({_FAULTS: _names(broken), _UNFIT: _names(sums)})


def _names(conditions: Mapping[str, Column]) -> Column:
    if not conditions:
        return sf.array().cast("array<string>")
    return sf.array_compact(sf.array(*(sf.when(broken, sf.lit(name)) for name, broken in conditions.items())))

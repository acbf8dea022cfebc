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

FAULTS = "_faults"
_UNFIT = "_unfit"
_BETWEEN = ", "


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

    `set_aside` were not written; `unfit` were, with NULL for a sum that its column cannot hold. A row can break more
    than one rule: `rows_set_aside` counts it once.
    """

    rows: int
    rows_set_aside: int = 0
    set_aside: tuple[GameFault, ...] = field(default=())
    unfit: tuple[GameFault, ...] = field(default=())


def keyed_by_grouping(rows: DataFrame) -> DataFrame:
    """Mark rows whose keys come out of a grouping, so that no two can share one.

    To compare them all the same would move and sort them once more, for what cannot be.
    """
    return rows.withColumn(SHARES_KEY, sf.lit(False))


class AuditedRows:
    """The rows of one write. `accepted` has to be written before `audit` is asked for.

    Rows that have a column `shares_key` say themselves which of them share their key; else all are compared.
    """

    def __init__(self, rows: DataFrame, table: Table) -> None:
        self._table = table
        self._tagged = with_faults(rows, table).withColumn(_UNFIT, _unfit(table))
        self._counts = Observation()
        observed = self._tagged.observe(
            self._counts,
            sf.count("*").alias("rows"),
            sf.count_if(sf.col(FAULTS).isNotNull()).alias("faulty"),
            sf.count_if(sf.col(_UNFIT).isNotNull()).alias("unfit"),
        )
        self.accepted: DataFrame = observed.where(sf.col(FAULTS).isNull()).select(*table.schema.fieldNames())

    def audit(self) -> Audit:
        """Return what was found; looks at the rows again only where something was."""
        counts: Mapping[str, int] = self._counts.get
        set_aside = self._by_game(FAULTS) if counts["faulty"] else ()
        unfit = self._by_game(_UNFIT, sf.col(FAULTS).isNull()) if counts["unfit"] else ()
        return Audit(counts["rows"], counts["faulty"], set_aside, unfit)

    def _by_game(self, faults: str, condition: Column | None = None) -> tuple[GameFault, ...]:
        broken = self._tagged if condition is None else self._tagged.where(condition)
        return faults_by_game(
            broken.withColumn("rule", sf.explode(sf.split(faults, _BETWEEN))), rule="rule", keys=self._table.keys
        )


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


def with_faults(rows: DataFrame, table: Table) -> DataFrame:
    """Add `_faults`: the names of the rules of the table that a row breaks, NULL for one that is written."""
    has_null = sf.lit(False)
    for key in table.keys:
        has_null = has_null | sf.col(key).isNull()
    if SHARES_KEY in rows.columns:
        is_shared = sf.col(SHARES_KEY)
    else:
        # Without an order: the rows often come sorted by their key, and need not be sorted again.
        is_shared = sf.count("*").over(Over.partitionBy(*table.keys)) > 1
    model = MODELS.get(table.name)
    rules = compile_rules(model) if model else {}
    return rows.withColumn(FAULTS, _names({KEY_IS_NULL: has_null, SHARES_KEY: ~has_null & is_shared, **rules}))


def _unfit(table: Table) -> Column:
    model = MODELS.get(table.name)
    return _names(unfit_sums(model) if model else {})


def _names(conditions: Mapping[str, Column]) -> Column:
    """Names of the conditions that hold, as one text; NULL when none does.

    Text, because Spark compiles it into the loop over the rows. It would leave that loop for an array.
    """
    names = (sf.when(broken, sf.lit(name)) for name, broken in conditions.items())
    return sf.nullif(sf.concat_ws(_BETWEEN, *names), sf.lit(""))

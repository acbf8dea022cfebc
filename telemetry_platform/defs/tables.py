"""What every daily table's asset has in common: key, partitions, policy, schema, checks, report."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import dagster as dg
from pyspark.sql import DataFrame

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.defs import freshness
from telemetry_platform.defs.partitions import daily, whole_range, window_of
from telemetry_platform.partitions.layers import Layers
from telemetry_platform.partitions.publishing import Published, materialize
from telemetry_platform.quality.audit import KEY_FAULTS, Audit, GameFault
from telemetry_platform.quality.rules import required_sums
from telemetry_platform.quality.schemas import MODELS

KEYS_CHECK = "keys_are_unique_and_not_null"
RULES_CHECK = "row_rules"
SUMS_CHECK = "sums_fit"


def key_of(table: Table) -> dg.AssetKey:
    """Asset key of a lake table: stage and name."""
    return dg.AssetKey([table.stage, table.short_name])


def table_asset(
    name: str, *, deps: Sequence[dg.AssetDep | dg.AssetKey], more_checks: Sequence[dg.AssetCheckSpec] = ()
) -> Callable[[Callable[..., Any]], Any]:
    """Decorate the function that materializes table `name`; description and schema come from its contract."""
    table = TABLES[name]
    key = key_of(table)
    return dg.asset(
        key=key,
        deps=deps,
        description=table.description,
        partitions_def=daily,
        backfill_policy=whole_range,
        group_name=table.stage,
        kinds={"spark", "deltalake"},
        owners=["team:data"],
        pool=f"table_{table.stage}_{table.short_name}",
        freshness_policy=freshness.daily_table,
        metadata={"dagster/table_name": table.name, "dagster/column_schema": column_schema(table)},
        check_specs=[*check_specs(table), *more_checks],
    )


def check_specs(table: Table) -> Iterator[dg.AssetCheckSpec]:
    """Checks of every table. None of them blocks: what they find was set aside, and the rest of the table is true."""
    key = key_of(table)
    yield dg.AssetCheckSpec(KEYS_CHECK, asset=key, description=f"Key: {', '.join(table.keys)}.")
    yield dg.AssetCheckSpec(RULES_CHECK, asset=key, description="Rules of quality/schemas.py.")
    if required_sums(MODELS[table.name]):
        yield dg.AssetCheckSpec(SUMS_CHECK, asset=key, description="No sum of money was too large for its column.")


def column_schema(table: Table) -> dg.TableSchema:
    """The contract's columns as the Dagster UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(field.name, field.dataType.simpleString(), description=field.metadata.get("comment"))
            for field in table.schema.fields
        ]
    )


def publish(
    context: dg.AssetExecutionContext,
    layers: Layers,
    table: str,
    *,
    rows: DataFrame | None = None,
    results: Callable[[Published], Sequence[dg.AssetCheckResult]] = lambda _: (),
) -> dg.MaterializeResult:
    """Materialize the run's days of a table, and report what was written, per partition too, and what was set aside.

    `rows` are those of the table's recipe, for an asset that has them; `results` are those of its own checks.
    """
    window = window_of(context)
    published = materialize(layers, table, window, rows=rows, run_id=context.run.run_id)
    written = published.contents
    for day in window:
        # In a range run every partition would otherwise show the range's total.
        context.add_asset_metadata(
            {"dagster/partition_row_count": written.rows_by_day.get(day, 0)}, partition_key=day.isoformat()
        )
    _report_days_made(context, layers)
    return dg.MaterializeResult(
        metadata={
            "delta_version": written.version,
            "bronze_version": layers.bronze.version,
            "games_fingerprint": layers.registry.fingerprint,
            "rows": written.rows,
            "rows_by_game": dict(sorted(written.rows_by_game.items())),
            "rows_set_aside": published.audit.rows_set_aside,
            "newest_day_with_rows": _newest(written.rows_by_day),
        },
        check_results=[*_results(published.audit, TABLES[table]), *results(published)],
    )


def _report_days_made(context: dg.AssetExecutionContext, layers: Layers) -> None:
    """Show the days that were materialized because this table needs them: the UI would not know of them."""
    while layers.made:
        name, window = layers.made.pop(0)
        context.log.info(f"{name} {window} was not complete: materialized first, for {context.asset_key.path[-1]}.")
        for day in window:
            context.log_event(dg.AssetMaterialization(key_of(TABLES[name]), partition=day.isoformat()))


def _results(audit: Audit, table: Table) -> Iterator[dg.AssetCheckResult]:
    of_keys = [fault for fault in audit.set_aside if fault.rule in KEY_FAULTS]
    of_rules = [fault for fault in audit.set_aside if fault.rule not in KEY_FAULTS]
    yield check_result(table, KEYS_CHECK, of_keys, rows=audit.rows)
    yield check_result(table, RULES_CHECK, of_rules, rows=audit.rows)
    if required_sums(MODELS[table.name]):
        yield check_result(table, SUMS_CHECK, audit.unfit, rows=audit.rows)


def check_result(
    table: Table,
    name: str,
    faults: Sequence[GameFault],
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    **counts: int,
) -> dg.AssetCheckResult:
    """Result of one check: red when there is a fault, with the games, the counts and a few keys of each."""
    return dg.AssetCheckResult(
        asset_key=key_of(table),
        check_name=name,
        passed=not faults,
        severity=severity,
        metadata={
            **counts,
            "violations": sum(fault.rows for fault in faults),
            "games": sorted({fault.game_id or "" for fault in faults}),
            "faults": dg.MetadataValue.json([asdict(fault) for fault in faults]),
        },
    )


def _newest(days: Iterable[date]) -> str:
    return max(days).isoformat() if days else "none"

"""What every daily table's asset has in common: key, partitions, policy, schema, checks, report."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

import dagster as dg

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.defs import freshness
from telemetry_platform.defs.partitions import daily, whole_range
from telemetry_platform.lake.log import Contents
from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window
from telemetry_platform.quality.checks import check_rows

KEYS_CHECK = "keys_are_unique_and_not_null"
RULES_CHECK = "row_rules"


def key_of(table: Table) -> dg.AssetKey:
    """Asset key of a lake table: stage and name."""
    return dg.AssetKey([table.stage, table.short_name])


def table_asset(name: str, *, deps: Sequence[dg.AssetDep | dg.AssetKey]) -> Callable[[Callable[..., Any]], Any]:
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
        check_specs=[
            dg.AssetCheckSpec(KEYS_CHECK, asset=key, blocking=True, description=f"Key: {', '.join(table.keys)}."),
            dg.AssetCheckSpec(RULES_CHECK, asset=key, blocking=True, description="Rules of quality/schemas.py."),
        ],
    )


def column_schema(table: Table) -> dg.TableSchema:
    """The contract's columns as the Dagster UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(field.name, field.dataType.simpleString(), description=field.metadata.get("comment"))
            for field in table.schema.fields
        ]
    )


def report(
    context: dg.AssetExecutionContext, lake: Lake, written: Contents, window: Window, *, table: str
) -> dg.MaterializeResult:
    """Metadata of what was written, per partition too, and the result of the table's checks."""
    for day in window:
        # In a range run every partition would otherwise show the range's total.
        context.add_asset_metadata(
            {"dagster/partition_row_count": written.rows_by_day.get(day, 0)}, partition_key=day.isoformat()
        )
    found = check_rows(lake.read(table, window), TABLES[table])
    key = key_of(TABLES[table])
    return dg.MaterializeResult(
        metadata={
            "delta_version": written.version,
            "rows": written.rows,
            "rows_by_game": dict(sorted(written.rows_by_game.items())),
            "newest_day_with_rows": _newest(written.rows_by_day),
        },
        check_results=[
            dg.AssetCheckResult(
                asset_key=key,
                check_name=KEYS_CHECK,
                passed=found.key_violations == 0,
                metadata={"violations": found.key_violations, "rows": found.rows},
            ),
            dg.AssetCheckResult(
                asset_key=key,
                check_name=RULES_CHECK,
                passed=not any(found.rule_violations.values()),
                metadata={"violations": found.rule_violations, "rows": found.rows},
            ),
        ],
    )


def _newest(days: Iterable[date]) -> str:
    return max(days).isoformat() if days else "none"

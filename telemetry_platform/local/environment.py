"""Settings back to an environment: what a child must be given to resolve the same settings."""

import sys

from telemetry_platform.settings import LIMIT_VARIABLES, EdgeSettings, Settings, process_environment


def environment_of(settings: Settings) -> dict[str, str]:
    """Environment of every child of the stack.

    A child runs in the repository's folder, not in the user's: a relative path, or the `.env` of
    the folder where `telemetry up` was typed, would mean something else there. So all is passed on
    as it was resolved.
    """
    inherited = process_environment(
        PYSPARK_PYTHON=sys.executable,
        SPARK_LOCAL_IP="127.0.0.1",
        DAGSTER_HOME=str(settings.dagster_home),
        DAGSTER_DISABLE_TELEMETRY="1",
        PYTHONUNBUFFERED="1",
    )
    kept = {name: value for name, value in inherited.items() if not name.startswith(("TELEMETRY_", "SNOWFLAKE_"))}
    return kept | _variables(settings) | _edge_variables(settings.edge) | _warehouse_variables(settings)


def _variables(settings: Settings) -> dict[str, str]:
    variables = {
        "TELEMETRY_HOME": str(settings.home),
        "TELEMETRY_LAKE": settings.lake,
        "TELEMETRY_GAMES": str(settings.games_dir),
        "TELEMETRY_JARS": str(settings.jars_dir),
        "TELEMETRY_START_DATE": settings.start_date.isoformat(),
        "TELEMETRY_KAFKA_PORT": str(settings.kafka_port),
        "TELEMETRY_KAFKA_CONTROLLER_PORT": str(settings.kafka_controller_port),
        "TELEMETRY_KAFKA_PARTITIONS": str(settings.kafka_partitions),
        "TELEMETRY_KAFKA_RETENTION_DAYS": str(settings.kafka_retention_days),
        "TELEMETRY_COLLECTOR_HOST": settings.collector_host,
        "TELEMETRY_COLLECTOR_PORT": str(settings.collector_port),
        "TELEMETRY_WAREHOUSE_PORT": str(settings.warehouse_port),
        "TELEMETRY_DAGSTER_PORT": str(settings.dagster_port),
        "TELEMETRY_BRONZE_METRICS_HOST": settings.bronze_metrics_host,
        "TELEMETRY_BRONZE_METRICS_PORT": str(settings.bronze_metrics_port),
        "TELEMETRY_BRONZE_BATCH_RECORDS": str(settings.bronze_batch_records),
        "TELEMETRY_BRONZE_TRIGGER_SECONDS": str(settings.bronze_trigger_seconds),
        "TELEMETRY_BRONZE_COMPACT_COMMITS": str(settings.bronze_compact_commits),
        "TELEMETRY_VACUUM_HOURS": str(settings.vacuum_hours),
        "TELEMETRY_SNAPSHOT_DAYS": str(settings.snapshot_days),
        "TELEMETRY_RUN_DAYS": str(settings.run_days),
        "TELEMETRY_LATENESS_HORIZON_DAYS": str(settings.lateness_horizon_days),
        "TELEMETRY_SPARK_MASTER": settings.spark_master,
        "TELEMETRY_SPARK_DRIVER_MEMORY": settings.spark_driver_memory,
        "TELEMETRY_SPARK_SHUFFLE_PARTITIONS": str(settings.spark_shuffle_partitions),
    }
    if not settings.has_own_broker:
        variables["TELEMETRY_KAFKA"] = settings.kafka
    if settings.java_home is not None:
        variables["JAVA_HOME"] = str(settings.java_home)
    return variables


def _edge_variables(edge: EdgeSettings) -> dict[str, str]:
    limits = {variable: str(getattr(edge.limits, name)) for name, variable in LIMIT_VARIABLES.items()}
    return limits | {
        "TELEMETRY_CORS_ORIGINS": ",".join(sorted(edge.cors_origins)),
        "TELEMETRY_COUNTRY_HEADER": edge.country_header or "",
        "TELEMETRY_ACCESS_LOG": "on" if edge.has_access_log else "off",
    }


def _warehouse_variables(settings: Settings) -> dict[str, str]:
    warehouse = settings.warehouse
    if warehouse.is_stand_in:
        variables = {"SNOWFLAKE_DATABASE": warehouse.database, "TELEMETRY_WAREHOUSE_HOST": warehouse.host}
    else:
        variables = {
            "SNOWFLAKE_ACCOUNT": warehouse.account,
            "SNOWFLAKE_USER": warehouse.user,
            "SNOWFLAKE_PRIVATE_KEY_PATH": warehouse.private_key_path,
            "SNOWFLAKE_ROLE": warehouse.role,
            "SNOWFLAKE_WAREHOUSE": warehouse.compute_warehouse,
            "SNOWFLAKE_DATABASE": warehouse.database,
            "SNOWFLAKE_HOST": warehouse.host,
            "SNOWFLAKE_PORT": str(warehouse.port),
            "SNOWFLAKE_PROTOCOL": warehouse.protocol,
        }
    return {name: value for name, value in variables.items() if value is not None}

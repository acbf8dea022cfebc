"""How to reach Snowflake: one set of arguments for the account and for the stand-in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from telemetry_platform.errors import WarehouseError
from telemetry_platform.settings import WarehouseSettings

# The stand-in answers a failed statement with HTTP 500, which the connector would retry for minutes.
STAND_IN_NETWORK_TIMEOUT_SECONDS = 15


def connection_arguments(warehouse: WarehouseSettings) -> dict[str, Any]:
    """Arguments of the connector and, as they stand, of dagster-snowflake's resource."""
    arguments: dict[str, Any] = {
        "account": warehouse.account,
        "user": warehouse.user,
        "password": warehouse.password,
        "private_key_path": warehouse.private_key_path,
        "role": warehouse.role,
        "warehouse": warehouse.compute_warehouse,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def additional_arguments(warehouse: WarehouseSettings) -> dict[str, Any]:
    """Arguments the resource has no field for: where the server is, and how the session behaves."""
    arguments: dict[str, Any] = {"session_parameters": {"TIMEZONE": "UTC"}, "autocommit": True}
    if warehouse.host is not None:
        arguments |= {"host": warehouse.host, "port": warehouse.port, "protocol": warehouse.protocol}
    if warehouse.is_stand_in:
        arguments["network_timeout"] = STAND_IN_NETWORK_TIMEOUT_SECONDS
    return arguments


@contextmanager
def connect(warehouse: WarehouseSettings) -> Iterator[Any]:
    """Open a connection and close it; raises WarehouseError when the server does not answer."""
    import snowflake.connector  # takes a second to import
    from snowflake.connector.errors import Error

    arguments = connection_arguments(warehouse) | additional_arguments(warehouse)
    if "private_key_path" in arguments:
        arguments["private_key_file"] = arguments.pop("private_key_path")
    try:
        connection = snowflake.connector.connect(**arguments)
    except Error as error:
        where = f"{warehouse.host}:{warehouse.port}" if warehouse.host else warehouse.account
        raise WarehouseError(
            f"The warehouse at {where} does not answer: {error.msg}. `telemetry up` starts the local one."
        ) from error
    try:
        yield connection
    finally:
        connection.close()

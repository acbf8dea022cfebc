"""One broker and one warehouse stand-in for the whole suite, started as the product starts them."""

from collections.abc import Callable, Iterator

import pytest

from telemetry_platform.local import stack
from telemetry_platform.settings import Settings
from telemetry_platform_tests.integration.own_stack import settings_on_free_ports

SERVICES = frozenset({"broker", "warehouse", "collector", "bronze", "dagster"})


@pytest.fixture(scope="session")
def new_settings() -> Callable[..., Settings]:
    """`settings_on_free_ports`, for tests that start a stack of their own."""
    return settings_on_free_ports


@pytest.fixture(scope="session")
def server_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of the shared broker and stand-in; both end with the suite."""
    settings = settings_on_free_ports(tmp_path_factory.mktemp("servers"))
    yield settings
    stack.down(settings)


@pytest.fixture(scope="session")
def broker(server_settings: Settings) -> str:
    """Address of a running broker that has the topics."""
    stack.up(server_settings, without=SERVICES - {"broker"})
    return server_settings.kafka


@pytest.fixture(scope="session")
def stand_in(server_settings: Settings) -> tuple[str, int]:
    """Host and port of a running warehouse stand-in."""
    stack.up(server_settings, without=SERVICES - {"warehouse"})
    return "127.0.0.1", server_settings.warehouse_port


@pytest.fixture(scope="session")
def stack_settings(broker: str, stand_in: tuple[str, int], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home of its own over the shared broker and stand-in."""
    return settings_on_free_ports(
        tmp_path_factory.mktemp("stack"), TELEMETRY_KAFKA=broker, TELEMETRY_WAREHOUSE_PORT=str(stand_in[1])
    )

"""The `telemetry` command."""

from telemetry_platform.cli.main import app

__all__ = ["app"]

"""The code location: everything under `defs/`, and the policy that holds for all of it."""

from pathlib import Path

import dagster as dg  # noqa: TID251 - where the definitions are put together


@dg.definitions
def defs() -> dg.Definitions:
    """All assets, checks, schedules, sensors and resources; loads without network, files or Spark."""
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(executor=dg.in_process_executor),
    )

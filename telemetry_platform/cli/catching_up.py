"""How far bronze is behind what was sent."""

import time

from telemetry_platform.errors import LakeError, StackError
from telemetry_platform.lake.progress import committed_progress, lag
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.local.process import port_is_free
from telemetry_platform.settings import Settings

CATCH_UP_SECONDS = 180


def bronze_lag(settings: Settings) -> int | None:
    """Return the records in the topics that bronze does not have yet; None where no broker can be asked."""
    if settings.has_own_broker and port_is_free(settings.kafka_port):
        return None
    try:
        return lag(end_offsets(settings.kafka), committed_progress(f"{settings.checkpoints_dir}/bronze_events"))
    except (LakeError, OSError):
        return None


def wait_for_bronze(settings: Settings, deadline_seconds: float = CATCH_UP_SECONDS) -> None:
    """Wait until every record that is in the topics now is committed to bronze; raises StackError."""
    ends = end_offsets(settings.kafka)
    deadline = time.monotonic() + deadline_seconds
    while True:
        behind = lag(ends, committed_progress(f"{settings.checkpoints_dir}/bronze_events"))
        if behind == 0:
            return
        if time.monotonic() > deadline:
            raise StackError(
                f"bronze is still {behind} records behind after {deadline_seconds:.0f} s: "
                f"see {settings.logs_dir / 'bronze.log'}."
            )
        time.sleep(0.2)

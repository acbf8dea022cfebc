"""How far bronze is behind the topics, and waiting until it is not."""

import socket
import time
from ipaddress import ip_address

from telemetry_platform.errors import LakeError, StackError
from telemetry_platform.lake.progress import committed_progress, lag
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.settings import Settings

# Longer than any batch of the streaming job takes: bronze that stands still for so long does not run.
CATCH_UP_SECONDS = 180
_PROBE_SECONDS = 1.0


def bronze_lag(settings: Settings) -> int | None:
    """Records that are in the topics now and not yet committed to bronze; None when that cannot be asked.

    It cannot when the collector is on another machine, whose Kafka is not set, or when neither Kafka nor
    the checkpoint can be reached from here.
    """
    if (settings.has_own_broker and not _is_local(settings.collector_host)) or not _listens(settings.kafka):
        return None
    try:
        ends = end_offsets(settings.kafka)
        behind = lag(ends, committed_progress(_checkpoint(settings)))
    except (LakeError, OSError, ValueError, LookupError):
        return None
    # A Kafka without a single record of ours is not the one the collector writes to.
    return behind if any(end for partitions in ends.values() for end in partitions.values()) else None


def wait_for_bronze(settings: Settings, stall_seconds: float = CATCH_UP_SECONDS) -> None:
    """Wait until every record that is in the topics now is committed to bronze.

    Raises StackError when bronze has not come nearer for `stall_seconds`, LakeError when Kafka cannot be asked.
    """
    ends = end_offsets(settings.kafka)
    nearest, moved = None, time.monotonic()
    while (behind := lag(ends, committed_progress(_checkpoint(settings)))) > 0:
        if nearest is None or behind < nearest:
            nearest, moved = behind, time.monotonic()
        elif time.monotonic() - moved > stall_seconds:
            raise StackError(
                f"bronze is still {behind} records behind after {stall_seconds:.0f} s without a new one: "
                f"see {settings.logs_dir / 'bronze.log'}."
            )
        time.sleep(0.2)


def _checkpoint(settings: Settings) -> str:
    return f"{settings.checkpoints_dir}/bronze_events"


def _is_local(host: str) -> bool:
    if host in {"", "localhost"}:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _listens(bootstrap: str) -> bool:
    """Whether any broker of the list takes a connection: its client would try ten seconds long."""
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition("://")[2].rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS).close()
        except (OSError, ValueError, OverflowError):
            continue
        return True
    return False

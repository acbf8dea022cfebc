"""When an event happened, on the server's clock (metrics.md, Time and identity)."""

from datetime import datetime, timedelta


def event_time(
    *, created: datetime, sent: datetime | None, received: datetime, horizon: timedelta
) -> tuple[datetime | None, bool]:
    """Return `event_ts` and whether the clock was corrected; None when it is older than `horizon`.

    With `sent`, the client's clock only has to be steady between creating and sending. Without it,
    `created` is believed unless it is later than `received` or older than the horizon.
    """
    if sent is None:
        believable = received - horizon <= created <= received
        return (created, False) if believable else (received, True)
    try:
        moment = received - (sent - created)
    except OverflowError:
        # Before the year 1: no horizon reaches that far back. A later year than 9999 cannot have been sent.
        return (None, False) if sent > created else (received, False)
    if moment < received - horizon:
        return None, False
    return min(moment, received), False


def rfc3339(moment: datetime) -> str:
    """Write an aware UTC time with microseconds and `Z`."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

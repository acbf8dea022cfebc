"""When an event happened, on the server's clock (metrics.md, Time and identity)."""

from datetime import UTC, datetime, timedelta
from typing import Literal

ClockTrouble = Literal["fell_back", "capped", "too_late", "sender_years_off"]
"""What is counted about clocks: `created_ts` was not believed and `received_ts` stands in; the result lay after
`received_ts` and was set to it; it lay before the horizon; the sender's clock is more than a year off."""


def event_time(
    *, created: datetime, sent: datetime | None, received: datetime, horizon: timedelta
) -> tuple[datetime | None, ClockTrouble | None]:
    """Return `event_ts` in UTC, None when it is older than `horizon`, and what was odd about the clock.

    With `sent`, the client's clock only has to be steady between creating and sending, however wrong it is.
    Without it, `created` is believed unless it is later than `received` or older than the horizon.
    """
    if sent is None:
        if received - horizon <= created <= received:
            return created.astimezone(UTC), None
        return received, "fell_back"
    try:
        moment = received - (sent - created)
    except OverflowError:
        # Before the year 1: no horizon reaches that far back. A later year than 9999 cannot have been sent.
        return (None, "too_late") if sent > created else (received, "capped")
    if moment > received:
        return received, "capped"
    return (moment, None) if moment >= received - horizon else (None, "too_late")


def rfc3339(moment: datetime) -> str:
    """Write an aware UTC time with microseconds and `Z`."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"

"""The years in which an event can have happened."""

from datetime import UTC, datetime

FIRST_YEAR = 1970
LAST_YEAR = 2199


def is_within_years(moment: datetime) -> bool:
    """Whether an aware time lies within the years of the contract, as it is written and in UTC.

    Both: an offset can move a time out of the years that its text names, and readers take either. Outside
    of them timestamps overflow in some reader (2262 in nanoseconds, 1582 in the Gregorian calendar).
    """
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return False
    return FIRST_YEAR <= moment.astimezone(UTC).year <= LAST_YEAR


def is_moved_out_of_years(text: str) -> bool:
    """Whether the offset of a written time moves it out of the contract's years; False where it is no time.

    The pattern of the schema bounds what is written, and cannot reckon with the offset.
    """
    if f"{FIRST_YEAR + 1}" <= text[:4] < f"{LAST_YEAR}":
        return False
    try:
        return not is_within_years(datetime.fromisoformat(text))
    except ValueError:
        return False

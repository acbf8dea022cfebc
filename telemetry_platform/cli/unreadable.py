"""What stands in the place of an event that a file holds and nobody can read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unreadable:
    """Why a row of a file is no event; it costs only itself, as a reject of that type."""

    error_type: str
    message: str

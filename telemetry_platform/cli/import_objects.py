"""What counts as a JSON object in a file of events."""

import json

from telemetry_platform.cli.import_text import is_plain_object

# As the collector looks for where an event ends: numbers may have any length, strings control characters.
LENIENT = json.JSONDecoder(parse_int=len, parse_float=len, strict=False)


def is_object(event: bytes) -> bool:
    """Whether text is one JSON object; what is none would break the request it is sent in.

    One that only a lenient parser takes (NaN, a lone surrogate) is one: the collector keeps it as a reject.
    """
    if not event.startswith(b"{"):
        return False
    if is_plain_object(event):
        return True
    try:
        return isinstance(LENIENT.decode(event.decode("utf-8", "surrogateescape")), dict)
    except (ValueError, RecursionError):
        return False

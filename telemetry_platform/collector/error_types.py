"""The closed list of reasons for which a request or an event is refused."""

from enum import StrEnum


class RequestError(StrEnum):
    """Why a whole request was refused; nothing of it is kept."""

    UNREADABLE_BODY = "unreadable_body"
    BODY_TOO_LARGE = "body_too_large"
    TOO_MANY_EVENTS = "too_many_events"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    UNKNOWN_KEY = "unknown_key"
    MISSING_RIGHT = "missing_right"
    UNAVAILABLE = "unavailable"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"


class EventError(StrEnum):
    """Why one event was refused; it is kept as a reject with its original bytes."""

    UNREADABLE_EVENT = "unreadable_event"
    EVENT_TOO_LARGE = "event_too_large"
    TOO_DEEP = "too_deep"
    UNKNOWN_EVENT = "unknown_event"
    SCHEMA_VIOLATION = "schema_violation"
    TOO_LATE = "too_late"
    CREATED_IN_FUTURE = "created_in_future"
    BEFORE_START_DATE = "before_start_date"

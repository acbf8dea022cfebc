"""The server's HTTP protocol, with a bound on a request's head and no protocol to upgrade to."""

import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD_BYTES = 64 * 1024

_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_NO_UPGRADE = b"\r\nx-upgrade-not-taken:"


class BoundedHttpProtocol(HttpToolsProtocol):
    """Refuses with 400 a head over `LARGEST_HEAD_BYTES`: the parser below has no bound, and copies what it holds.

    An offer to go on in another protocol (`Upgrade: h2c` is what Java's client sends with its first request) is
    made unreadable: the parser would stop at the end of the head, and the events in the body would be lost.
    """

    in_head = True
    head_bytes = 0

    def on_headers_complete(self) -> None:
        """Stop counting: limits of the body are the application's."""
        self.in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Count again: what follows is the next request's head."""
        super().on_message_complete()
        self.in_head, self.head_bytes = True, 0

    def data_received(self, data: bytes) -> None:
        """Take what arrived on the connection."""
        if self.in_head:
            self.head_bytes += len(data)
            if self.head_bytes > LARGEST_HEAD_BYTES:
                head = data.partition(b"\r\n\r\n")[0]
                if self.head_bytes - len(data) + len(head) > LARGEST_HEAD_BYTES:
                    self.send_400_response("The head of the request is too large.")
                    return
            if b"pgrade:" in data or b"PGRADE:" in data:
                data = _without_upgrade(data)
        super().data_received(data)


def _without_upgrade(data: bytes) -> bytes:
    head, end, body = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(_NO_UPGRADE, head) + end + body

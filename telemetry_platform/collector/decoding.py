"""A request to Kafka records: each of its events decided about on its own."""

from dataclasses import dataclass, field

from telemetry_platform.collector.bodies import read_batch
from telemetry_platform.collector.clock import ClockTrouble
from telemetry_platform.collector.deciding import Decider, Reject, Rules


@dataclass
class Decoded:
    """A request's outcome: (key, value) of each accepted record, the rejects, and what was odd about clocks."""

    records: list[tuple[str, bytes]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    clock: dict[ClockTrouble, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Events of the request."""
        return len(self.records) + len(self.rejects)


def decode(body: bytes, rules: Rules) -> Decoded:
    """Decide on every event of a body; raises RefusedRequest when the body as a whole cannot be read."""
    batch = read_batch(body, rules.limits)
    decider = Decider(batch.sent, rules)
    decoded = Decoded(clock=decider.clock)
    may_hold_nul = b"\\u0000" in body
    for index, raw in enumerate(batch.events):
        decided = decider.decide(raw, index, may_hold_nul=may_hold_nul)
        if isinstance(decided, Reject):
            decoded.rejects.append(decided)
        else:
            decoded.records.append(decided)
    return decoded

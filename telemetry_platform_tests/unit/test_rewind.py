"""Where the stream goes on, decided from what the table holds and what Kafka keeps."""

import pytest

from streaming.rewind import Held, Start, start_of, starts_of


@pytest.mark.parametrize(
    ("held", "first", "end", "expected"),
    [
        pytest.param(None, 3, 90, Start(3, 3), id="a partition without rows starts with the oldest record"),
        pytest.param(Held(50, 50), 0, 90, Start(50, 50), id="a complete one after its newest row"),
        pytest.param(Held(50, 50), 0, 50, Start(50, 50), id="also when there is nothing to read"),
        pytest.param(Held(50, 41), 0, 90, Start(41, 50), id="one that is there in part at the first missing record"),
        pytest.param(Held(50, 50, 2), 0, 90, Start(0, 50), id="a first batch may lack its first records"),
        pytest.param(Held(50, 41, 2), 2, 90, Start(41, 50), id="or has them"),
        pytest.param(Held(50, 50), 60, 90, Start(60, 50, lost=10), id="what Kafka no longer has is lost"),
        pytest.param(Held(50, 41), 45, 90, Start(45, 50, lost=4), id="rows that cannot be read again stay"),
        pytest.param(Held(50, 50), 0, 49, Start(0, 0, is_new_topic=True), id="a topic made anew starts anew"),
    ],
)
def test_a_partition_goes_on_where_its_rows_end(held: Held | None, first: int, end: int, expected: Start):
    assert start_of(held, first, end) == expected


def test_every_partition_of_the_topics_has_a_start_and_the_plan_says_what_becomes_of_rows():
    starts = starts_of({("t", 1): Held(50, 41)}, {"t": {0: (0, 5), 1: (0, 90)}, "u": {0: (7, 7)}})
    assert {partition: str(start) for partition, start in starts.items()} == {
        ("t", 0): "goes on at 0",
        ("t", 1): "goes on at 41, rows 41..49 are removed and read again",
        ("u", 0): "goes on at 7",
    }

"""Which days of which table follow from which: how a partition is computed, from what, and what it restates."""

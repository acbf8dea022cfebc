"""The collector under load: what an event costs, and what survives a kill."""

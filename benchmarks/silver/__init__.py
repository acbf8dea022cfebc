"""Silver against the same logic in DuckDB, on the same files."""

"""What each reader of the lake costs, by files of the table."""

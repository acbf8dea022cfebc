"""What a day costs, from bronze to gold."""

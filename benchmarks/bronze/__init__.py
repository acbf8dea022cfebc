"""What the streaming job costs, from Kafka to bronze."""

"""What data must look like: the public contract of events and tables."""

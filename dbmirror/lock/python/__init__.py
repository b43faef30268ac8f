"""Python's half of the lock."""

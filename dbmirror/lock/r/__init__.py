"""R's half of the lock: where each selected R package comes from, and what has no source."""

"""Other programs and runs of this one: how they are started and ended, and what they leave is cleared."""

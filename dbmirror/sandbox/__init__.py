"""A stand-in workspace and driver, so that everything runs without a cloud account."""

"""Programs that the driver's Python gets over SSH: the standard library of Python 3.8 only, and no other package."""

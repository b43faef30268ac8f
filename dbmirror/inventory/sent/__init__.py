"""Programs that run on the host and not here: they import Python 3.8's standard library and each other only."""

"""Programs that run on a host and stand alone there: Python 3.8, its standard library, and each other."""

"""Programs that run on the host, sent on stdin: they may import Python 3.8's standard library and each other only."""

"""Programs that run in the image under test, sent on stdin: Python's standard library, POSIX shell or R only."""

"""What runs inside the image under test: standard library or POSIX shell only, sent on stdin, not installed."""

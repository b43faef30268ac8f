"""The line from a cluster to a published image, and the ways to run it."""

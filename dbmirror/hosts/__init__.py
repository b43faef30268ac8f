"""Somewhere a command can be run: the driver over SSH, a container, this machine."""

"""Debian packages by hash: apt chooses them without a network, from archives that dbmirror fetched."""

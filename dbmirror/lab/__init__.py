"""The lab as this machine sees it: its stack, what it needs, its files."""

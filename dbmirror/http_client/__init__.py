"""The one HTTP client: bounded in time and size, each login for its own origin, no address of this machine."""

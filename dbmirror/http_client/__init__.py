"""HTTP as every room asks it: bounded in time and size, each login for its own origin, no address of this machine."""

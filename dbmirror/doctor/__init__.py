"""What dbmirror needs to work here: on this machine, and beyond it."""

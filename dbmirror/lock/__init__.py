"""Where each selected package comes from, and the fate of every package of the inventory."""

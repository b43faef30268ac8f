"""The sandbox's driver: its image, its own packages, and the containers that run it."""

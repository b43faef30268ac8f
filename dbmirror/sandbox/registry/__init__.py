"""A registry of one's own on loopback: Debian's docker-registry, with Docker Hub's or ACR's way of logging in."""

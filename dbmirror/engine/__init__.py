"""Docker: buildx, compose, running containers, engine facts."""

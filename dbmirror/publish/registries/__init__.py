"""Credentials for registries, and push: Docker Hub, Azure Container Registry, any OCI registry."""

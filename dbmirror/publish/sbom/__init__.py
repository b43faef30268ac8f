"""The SBOM (software bill of materials) of a built image."""

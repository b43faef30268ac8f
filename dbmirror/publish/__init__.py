"""An image in registries: destinations, the gate, records, SBOM."""

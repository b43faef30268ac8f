"""Text that a stranger wrote: read, cleaned of what commands or misleads, and of credentials."""

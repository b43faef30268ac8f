"""Files by the hash of their content: fetched once over HTTP, and kept for the builds of all mirrors."""

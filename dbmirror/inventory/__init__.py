"""What is installed on a host: the collector, the parsers of what it brings back, and the model."""

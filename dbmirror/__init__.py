"""Exact container images of Databricks clusters, read from the cluster itself."""

__version__ = "0.1.0"

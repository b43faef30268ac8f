"""The stand-in workspace: an HTTP server that answers the Databricks SDK as a real workspace does."""

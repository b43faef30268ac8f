"""The built image held against its lock, and against the contract of Databricks Container Services."""

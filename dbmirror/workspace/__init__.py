"""What Databricks says: profiles, clusters, cluster libraries, SSH keys."""

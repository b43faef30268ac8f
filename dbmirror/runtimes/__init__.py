"""What each Databricks Runtime is and needs: facts as data, one lookup."""

"""What came with a clone of a repository: what its files may say, what the user agreed to, which records are ours."""

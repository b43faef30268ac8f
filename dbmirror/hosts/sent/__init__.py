"""What a notebook context of a cluster is given to run: standard library alone, Python 3.8, and nothing is written."""

"""A lock turned into the text files of a build context; jinja2 over images/ and compose/, and nothing else."""

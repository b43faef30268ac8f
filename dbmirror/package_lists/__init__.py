"""Lists of packages that were written elsewhere, read as snapshots: what such a list cannot know is marked unknown."""

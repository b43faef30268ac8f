"""The kinds of registries."""

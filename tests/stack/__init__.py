"""The tests on a real Docker Engine."""

"""The locks and bases that rendering is tested with."""

from tests.render.conftest import bases, everything  # noqa: F401 - fixtures

"""How all targets stand, for people and programs: the live page, the same as JSON, and a badge for each target."""

from exporters.status.pages import routes

__all__ = ["routes"]

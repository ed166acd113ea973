"""The diagnostics report of what a monitor has kept: gathered from its store, judged, and shown as a page, as JSON and as Markdown."""

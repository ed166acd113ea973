"""The `probe` command: one module per command, imported when that command runs."""

"""This machine, as far as it can be the reason for what is seen from it. Looked at, never changed."""

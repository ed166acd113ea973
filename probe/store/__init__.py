"""History on this machine's disk: one SQLite file, one process that writes, any number that read."""

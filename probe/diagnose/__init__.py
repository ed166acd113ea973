"""From facts to verdicts: pure functions that see neither sockets nor brokers."""

"""The only modules with sockets and a clock: they dial, and they run sessions that know neither."""

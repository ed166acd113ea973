"""The session core: one state machine for both ends of a trading connection, without I/O and without a clock."""

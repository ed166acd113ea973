"""What can be made to go wrong on purpose: faults of the stream and of the protocol, in one catalogue."""

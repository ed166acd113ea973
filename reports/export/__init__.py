"""What the monitor keeps, as tables for other programs."""

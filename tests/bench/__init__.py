"""Figures anybody can repeat: `make bench`. They are printed, never asserted."""

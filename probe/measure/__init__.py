"""From events to figures: pure functions, no clock of their own."""

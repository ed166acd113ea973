"""Examines one target: step after step, saying before each whom it asks, and stopping where a step makes the next one meaningless."""

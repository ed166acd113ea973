"""What a load test is and what it found, as data: plans, shapes, figures, thresholds, verdicts, comparisons. No clock, no socket."""

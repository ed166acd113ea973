"""Suites of tests that hold a target to its promises: each says what it promises, and shows what it saw."""

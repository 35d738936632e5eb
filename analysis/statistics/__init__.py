"""Statistics: pure functions on tables."""

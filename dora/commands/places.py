"""Where commands look, if not told otherwise."""

SHARDS = "data/shards"

EVALUATIONS = "data/eval"
"""Features that evaluations keep, and the state of those that were stopped."""

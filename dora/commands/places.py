"""Where commands look, if not told otherwise."""

SHARDS = "data/shards"

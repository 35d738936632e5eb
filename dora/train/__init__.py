"""The loop, its optimiser, its checkpoints."""

"""Runs as they lie in their folders, read without torch: what there is of them, and how they go."""

"""Clips of a video and their order."""

"""Detectors: a frame in, boxes out."""

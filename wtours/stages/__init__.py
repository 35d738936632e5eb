"""Stages of the frame pass: each takes every decoded frame and leaves a record."""

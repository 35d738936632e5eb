"""Shards: the on-disk contract of FORMAT.md, its writer and its reader."""

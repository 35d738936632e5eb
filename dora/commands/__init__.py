"""The commands of `dora`: each its typed arguments, one library call, one result."""

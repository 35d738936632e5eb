"""The commands of `wtours`: each its typed arguments, one library call, one result."""

"""`python -m dora`, for where another distribution owns the command."""

from dora.cli import main

main()

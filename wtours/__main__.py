"""`python -m wtours`, for where another distribution owns the command."""

from wtours.cli import main

main()

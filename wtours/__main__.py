"""The program: `wtours`, and `python -m wtours` where another distribution owns that command."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Load the command line and run it; Ctrl-C ends it with a sentence even while it loads."""
    try:
        from wtours.cli import main as run
    except KeyboardInterrupt:
        print("wtours: stopped before it began", file=sys.stderr)
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()

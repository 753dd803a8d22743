"""Where the program starts: a plain query is answered before anything heavy is loaded."""

import sys

from pkglayer.cli.quick import try_query


def main() -> None:
    """Run the command line and exit."""
    try_query(sys.argv[1:])
    from pkglayer.cli import program

    program.main()


if __name__ == "__main__":
    main()

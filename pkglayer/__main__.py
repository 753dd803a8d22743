"""Where the program starts: a plain query is answered before anything heavy is loaded."""

import sys


def main() -> None:
    """Run the command line and exit."""
    if sys.argv[1:3] == ["db", "query"]:
        from pkglayer.cli.quick import try_query

        try_query(sys.argv[3:])
    from pkglayer.cli import program

    program.main()


if __name__ == "__main__":
    main()

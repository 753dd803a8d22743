"""`python -m tests.support.world build small|full`: build a world and say where it is."""

import argparse
import sys
from typing import TextIO

from tests.support.world.build import build
from tests.support.world.model import WorldError
from tests.support.world.profiles import NAMES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.world", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("build", help="build a world unless it is there already")
    command.add_argument("profile", choices=NAMES)
    arguments = parser.parse_args()
    try:
        world = build(arguments.profile, say=lambda text: _write(sys.stderr, text))
    except WorldError as error:
        _write(sys.stderr, f"error: {error}")
        return 1
    _write(sys.stdout, str(world.path))
    return 0


def _write(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())

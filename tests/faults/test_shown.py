"""What is logged is safe too: a name from a server cannot end a line or move the cursor."""

import io
import logging

from pkglayer.log import Lines, SafeFormatter

NASTY = "name\nERROR: forged \x1b[2J\x9b1m\u202e\r"


def test_a_log_record_stays_on_its_line() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(SafeFormatter("%(levelname)s: %(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.warning("repository %s is down", NASTY)
    [line] = out.getvalue().splitlines()
    assert line.isprintable()
    assert line.startswith("WARNING: repository name\\nERROR: forged ")


def test_a_note_of_a_scriptlet_is_escaped() -> None:
    out = io.StringIO()
    Lines(out).note(NASTY)
    assert out.getvalue().rstrip("\n").isprintable()

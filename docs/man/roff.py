"""Turns the small part of Markdown that our manual pages are written in into man(7) macros.

Known: paragraphs, `## headings`, `- lists`, indented or fenced code, tables, `code`, **bold** and
*emphasis*. Everything else stays text. It knows nothing of pkglayer.
"""

import re
from collections.abc import Iterator

_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*")


def escape(text: str) -> str:
    """Text as roff prints it literally: no macro at a line's start, dashes that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    return "\\&" + text if text.startswith((".", "'")) else text


def inline(text: str) -> str:
    """One paragraph's text with code and bold in bold, emphasis in italics."""
    out, last = [], 0
    for match in _INLINE.finditer(text):
        out.append(escape(text[last : match.start()]) if match.start() > last else "")
        code, bold, emphasis = match.groups()
        font = "I" if emphasis else "B"
        out.append(f"\\f{font}{escape(code or bold or emphasis)}\\fR")
        last = match.end()
    rest = text[last:]
    # Only the start of the whole text can be the start of a line.
    out.append(escape(rest) if not last else escape(rest).removeprefix("\\&"))
    return "".join(out)


def to_roff(markdown: str) -> str:
    """A Markdown text as man macros; headings become sections, in capitals."""
    return "".join(f"{line}\n" for block in _blocks(markdown) for line in _block(block))


def _blocks(markdown: str) -> Iterator[list[str]]:
    """Runs of lines that belong together; a fenced block is one, with its blank lines."""
    block: list[str] = []
    fenced = False
    for line in [*markdown.splitlines(), ""]:
        if line.startswith("```"):
            fenced = not fenced
            block.append(line)
        elif fenced or line.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _block(lines: list[str]) -> Iterator[str]:
    first = lines[0]
    if first.startswith("#"):
        yield f".SH {escape(first.lstrip('# ').upper())}"
        if lines[1:]:
            yield from _block(lines[1:])
    elif first.startswith("```"):
        yield from _code([line for line in lines if not line.startswith("```")])
    elif first.startswith("    "):
        yield from _code([line.removeprefix("    ") for line in lines])
    elif first.startswith("|"):
        yield from _table(lines)
    elif first.startswith("- "):
        yield from _list(lines)
    else:
        yield ".PP"
        yield inline(" ".join(line.strip() for line in lines))


def _code(lines: list[str]) -> Iterator[str]:
    yield from (".PP", ".RS 4", ".nf")
    yield from map(escape, lines)
    yield from (".fi", ".RE")


def _list(lines: list[str]) -> Iterator[str]:
    items: list[str] = []
    for line in lines:
        if line.startswith("- "):
            items.append(line.removeprefix("- "))
        else:
            items[-1] += " " + line.strip()
    for item in items:
        yield from (".IP \\(bu 2", inline(item))


def _table(lines: list[str]) -> Iterator[str]:
    """A two- or three-column table as tagged paragraphs, which fit any width."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    for row in rows[2:]:
        yield from (".TP", inline(row[0]), inline(", ".join(filter(None, row[1:]))))

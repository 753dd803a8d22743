"""Changes repository metadata as its owner, or somebody on the way, could."""

import gzip
import hashlib
from pathlib import Path

from pkglayer.system.rpmmd import Repository

BILLION_LAUGHS = b"".join(
    [
        b'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a0 "ha">',
        *(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)),
        b']><metadata packages="1"><package type="rpm"><name>&a9;</name></package></metadata>',
    ]
)


def only(repositories: list[Repository]) -> Repository:
    """The one repository there is."""
    [repository] = repositories
    return repository


def rewrite(repo: Path, old: str, new: str) -> None:
    """Change repomd.xml."""
    path = repo / "repodata/repomd.xml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def replace_primary(repo: Path, xml: bytes) -> None:
    """Put other content in place of primary.xml.gz, as its owner could: checksums are right."""
    path = repo / "repodata/primary.xml.gz"
    old = path.read_bytes()
    new = gzip.compress(xml, mtime=0)
    path.write_bytes(new)
    plain = gzip.decompress(old)
    for was, now in ((old, new), (plain, xml)):
        rewrite(repo, hashlib.sha256(was).hexdigest(), hashlib.sha256(now).hexdigest())
    rewrite(repo, f"<size>{len(old)}</size>", f"<size>{len(new)}</size>")
    rewrite(repo, f"<open-size>{len(plain)}</open-size>", f"<open-size>{len(xml)}</open-size>")

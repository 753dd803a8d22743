"""Changes repository metadata as its owner, or somebody on the way, could."""

import gzip
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pkglayer.system.rpmmd import Repository

BILLION_LAUGHS = b"".join(
    [
        b'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a0 "ha">',
        *(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)),
        b']><metadata packages="1"><package type="rpm"><name>&a9;</name></package></metadata>',
    ]
)

GZIP: Callable[[bytes], bytes] = partial(gzip.compress, compresslevel=1, mtime=0)


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
    replace_file(repo, "primary.xml.gz", xml)


def replace_file(
    repo: Path,
    old_name: str,
    content: bytes,
    *,
    pack: Callable[[bytes], bytes] = GZIP,
    name: str = "",
) -> None:
    """Put other content in place of a file of the metadata, packed otherwise and renamed on wish.

    Checksums and sizes are right, as the repository's owner could make them.
    """
    path = repo / "repodata" / old_name
    old = path.read_bytes()
    new = pack(content)
    path.unlink()
    (repo / "repodata" / (name or old_name)).write_bytes(new)
    plain = gzip.decompress(old)
    for was, now in ((old, new), (plain, content)):
        rewrite(repo, hashlib.sha256(was).hexdigest(), hashlib.sha256(now).hexdigest())
    rewrite(repo, f"<size>{len(old)}</size>", f"<size>{len(new)}</size>")
    rewrite(repo, f"<open-size>{len(plain)}</open-size>", f"<open-size>{len(content)}</open-size>")
    if name:
        rewrite(repo, f"repodata/{old_name}", f"repodata/{name}")

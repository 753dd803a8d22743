"""Deployments as libostree has them, with what pkglayer knows of each."""

from dataclasses import dataclass, field

from pkglayer.model.plan import Base
from pkglayer.model.record import Record

ROLE_WORDS = {"pending": "next boot"}
"""What people read for a role, where that is another word than the one they type."""


@dataclass(frozen=True)
class Deployment:
    """One state on disk.

    `index` counts from 0, the next boot; `checksum` is the deployed commit (layered or base);
    `base` the base commit below it; `root` the deployment directory; `origin` all groups of the
    origin file; `record` None for a plain base; `problem` says why a record or origin that is
    there cannot be read, `layered_by` which other program put a layer into it.
    """

    index: int
    osname: str
    checksum: str
    serial: int
    root: str
    base: Base
    booted: bool = False
    staged: bool = False
    pinned: bool = False
    role: str = ""
    origin: dict[str, dict[str, str]] = field(default_factory=dict)
    record: Record | None = None
    problem: str = ""
    layered_by: str = ""

    @property
    def role_words(self) -> str:
        return ROLE_WORDS.get(self.role, self.role)

    @property
    def refspec(self) -> str:
        group = self.origin.get("origin", {})
        return group.get("refspec", "") or group.get("container-image-reference", "")

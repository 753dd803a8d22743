"""What a look at a commit's signatures comes to, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

VALID, UNSIGNED, UNCHECKED = "valid", "unsigned", "unchecked"
OTHER_KEY, REVOKED, EXPIRED, BAD = "other-key", "revoked", "expired", "bad"


@dataclass(frozen=True)
class Checked:
    """One signature; `fingerprint` is the primary key's where that is known."""

    status: str
    fingerprint: str = ""


@dataclass(frozen=True)
class SignatureState:
    """All signatures of a commit; `wanted` when the settings name a key to check them with."""

    wanted: bool
    signatures: tuple[Checked, ...] = ()

    @property
    def status(self) -> str:
        """The best of all signatures, since one that holds is enough."""
        if not self.signatures:
            return UNSIGNED
        return _best(self.signatures).status if self.wanted else UNCHECKED

    @property
    def good(self) -> bool:
        """Whether nothing is missing of what the settings ask for."""
        return not self.wanted or self.status == VALID

    @property
    def sentence(self) -> str:
        """For people; without a full stop."""
        key = _best(self.signatures).fingerprint if self.signatures else ""
        return {
            VALID: f"signed by {key}",
            UNSIGNED: "not signed" + (", though the settings name a key" if self.wanted else ""),
            UNCHECKED: "signed, and no key to check that with is named in [sign]",
            OTHER_KEY: f"signed by {key}, which is not among the keys named in [sign]",
            REVOKED: f"signed by {key}, which has been revoked",
            EXPIRED: f"signed by {key}, which has expired",
            BAD: f"the signature by {key} does not belong to this commit",
        }[self.status]


def _best(signatures: Sequence[Checked]) -> Checked:
    order = (VALID, EXPIRED, REVOKED, OTHER_KEY, BAD)
    return min(signatures, key=lambda s: order.index(s.status))

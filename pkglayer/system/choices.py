"""What each request means in a sack: the packages that would satisfy it, or the base's own.

`choose(sack, want, groups, keep)` -> `Choice`. Solving, and telling what cannot be had, is done by
`stages.resolve`; here nothing is combined and nothing is excluded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pkglayer.model.explain import Blocked, Trouble
from pkglayer.model.offer import CACHE, Offer
from pkglayer.model.package import Nevra, Package
from pkglayer.model.plan import Skipped
from pkglayer.model.request import Want
from pkglayer.system.comps import Group, find_group
from pkglayer.system.following import find_followed
from pkglayer.system.sack import Sack

Pick = tuple[Offer, ...]
"""Offers of which one must be there."""


@dataclass(frozen=True)
class Choice:
    """What one want means here.

    Of each of `picks` one offer must be there, of each of `optional` if it fits; `conditional` are
    (other package's name, pick that comes with it). `provider` is the base package that makes the
    want inactive; without it and without any pick the want is unknown. `skipped` tells what is left
    out; `changes` are packages of the base that go, or give way to a pick; `why` is the reason for
    being inactive where there is more to say than that the base has it.
    """

    want: Want
    picks: tuple[Pick, ...] = ()
    optional: tuple[Pick, ...] = ()
    conditional: tuple[tuple[str, Pick], ...] = ()
    provider: str = ""
    skipped: tuple[Skipped, ...] = ()
    changes: tuple[Offer, ...] = ()
    why: str = ""

    @property
    def active(self) -> bool:
        return bool(self.picks or self.optional or self.conditional or self.changes)

    @property
    def unknown(self) -> bool:
        return not self.active and not self.provider


def is_glob(spec: str) -> bool:
    return any(c in spec for c in "*?[")


def choose(sack: Sack, want: Want, groups: Sequence[Group], keep: Sequence[Package]) -> Choice:
    """Look a want up. `keep`: what globs and groups stood for before, if that is to stay so."""
    if want.kind == "local":
        return _choose_local(sack, want, keep)
    if want.kind == "group":
        return _choose_group(sack, want, groups, keep)
    if constraint := parse_glob_version(want.spec):
        name, version = constraint
        fitting = [o for o in sack.find(name) if has_version(o.nevra, version)]
        return _choose_single(want, fitting)
    if is_glob(want.spec):
        before = _names_before(want, keep, "user")
        found = [o for o in sack.find(want.spec) if not before or o.nevra.name in before]
        return _choose_names(want, found)
    offers = sack.find(want.spec)
    if offers and not want.version and all(o.nevra.name == want.spec for o in offers):
        # The package may have got a new name; nobody else may have the old one any more.
        offers = sorted({*offers, *sack.obsoleters(offers)})
        if all(o.repo == CACHE for o in offers):
            offers = sorted({*offers, *sack.providers(want.spec)})
    return _choose_single(want, offers)


def _choose_single(want: Want, offers: Sequence[Offer]) -> Choice:
    if there := [o for o in offers if o.installed]:
        return Choice(want, provider=str(there[-1].nevra))
    return Choice(want, (tuple(offers),) if offers else ())


def parse_glob_version(spec: str) -> tuple[str, str] | None:
    """`foo = 2.1*` as (name, glob); None for every other form, which the solver knows itself."""
    words = spec.split()
    if len(words) == 3 and words[1] in ("=", "==") and is_glob(words[2]):
        return words[0], words[2]
    return None


def has_version(nevra: Nevra, glob: str) -> bool:
    """Whether version, version-release or epoch:version-release match."""
    plain = f"{nevra.version}-{nevra.release}"
    forms = (nevra.version, plain, nevra.evr, f"{nevra.epoch}:{plain}")
    return any(fnmatchcase(form, glob) for form in forms)


def find_unwanted(sack: Sack, wants: Sequence[Want]) -> set[Offer]:
    """What requests themselves keep out: other versions than pinned, and their excludes."""
    out: set[Offer] = set()
    for want in wants:
        if want.version:
            found = [o for o in sack.find(want.spec, everything=True) if not o.installed]
            out.update(o for o in found if not has_version(o.nevra, want.version))
        for glob in want.exclude:
            out.update(o for o in sack.find(glob, everything=True) if not o.installed)
    return out


def _choose_local(sack: Sack, want: Want, keep: Sequence[Package]) -> Choice:
    offers = [o for o, h in sack.cached() if h.header_checksum == want.header_checksum]
    if not offers:
        text = f"the imported copy of the local package {want.spec} is gone"
        hint = f"install it from its file again, or drop it: pkglayer uninstall {want.spec}"
        raise Blocked([Trouble(want, "local-gone", text, hint)], data={"spec": want.spec})
    nevra = offers[0].nevra
    if any(o.nevra == nevra and o.installed for o in sack.named(nevra.name)):
        return Choice(want, provider=str(nevra))
    newer = find_followed(sack, want, offers[0])
    if newer and not keep and not sack.solve([newer]).problems:
        return Choice(want, (tuple(newer),))  # the solver would rather have the file
    return Choice(want, ((*offers, *newer),))


def _names_before(want: Want, keep: Sequence[Package], reason: str) -> set[str]:
    """The names that a glob or group stood for in the state before."""
    return {p.nevra.name for p in keep if p.reason == reason and want.spec in p.requests}


def _choose_names(want: Want, offers: Iterable[Offer]) -> Choice:
    """Every name among the offers; those in the base are there already."""
    by_name: dict[str, list[Offer]] = {}
    for offer in offers:
        by_name.setdefault(offer.nevra.name, []).append(offer)
    there = [str(o.nevra) for group in by_name.values() for o in group if o.installed]
    picks = tuple(tuple(g) for g in by_name.values() if not any(o.installed for o in g))
    return Choice(want, picks, provider="" if picks else ", ".join(there))


def _choose_group(
    sack: Sack, want: Want, groups: Sequence[Group], keep: Sequence[Package]
) -> Choice:
    before = _names_before(want, keep, "group")
    group = find_group(groups, want.spec)
    if before:
        found = [o for name in sorted(before) for o in sack.find(name) if o.nevra.name == name]
        return _choose_names(want, found)
    if group is None:
        return Choice(want)
    picks, gone, there = _members(sack, group.mandatory)
    optional, gone_too, there_too = _members(sack, group.default)
    conditional = [
        (other, pick) for name, other in group.conditional for pick in _members(sack, [name])[0]
    ]
    skipped = tuple(
        Skipped(Want(name, source=want.spec), f"the group {want.spec} names it, nobody offers it")
        for name in (*gone, *gone_too)
    ) + tuple(
        Skipped(Want(f"@{i}", "group", want.spec), f"{want.spec} names it, no repository has it")
        for i in group.gone
    )
    there.extend(there_too)
    if not (picks or optional or there):
        text = f"no repository offers any package of the group {want.spec}"
        hint = "enable the repository that has them with --enablerepo=ID"
        data = {"spec": want.spec, "packages": [*gone, *gone_too]}
        raise Blocked([Trouble(want, "group", text, hint)], data=data)
    provider = "" if picks or optional else ", ".join(there)
    return Choice(want, picks, optional, tuple(conditional), provider, skipped)


def _members(sack: Sack, names: Iterable[str]) -> tuple[tuple[Pick, ...], list[str], list[str]]:
    """Picks for these names; which of them nobody offers; which the base has (as NEVRA)."""
    picks: list[Pick] = []
    gone: list[str] = []
    there: list[str] = []
    for name in names:
        offers = [o for o in sack.find(name) if o.nevra.name == name]
        if not offers:
            gone.append(name)
        elif base := [o for o in offers if o.installed]:
            there.append(str(base[-1].nevra))
        else:
            picks.append(tuple(offers))
    return tuple(picks), gone, there

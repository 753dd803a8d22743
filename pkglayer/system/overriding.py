"""What a request about the base's own packages means in a sack: which go, and what comes for them.

`choose_override(sack, want)` -> `Choice`; `check_removals` refuses what the rest of the base needs;
`find_updates` are the offers that `--allow-base-updates` opens. Solving is for `stages.resolve`.
"""

from collections.abc import Collection, Iterable, Sequence

from pkglayer.model.explain import Blocked, Trouble
from pkglayer.model.offer import CACHE, LOCAL, Offer
from pkglayer.model.package import Nevra
from pkglayer.model.plan import Override
from pkglayer.model.request import REMOVE, Want
from pkglayer.system.choices import Choice
from pkglayer.system.rpmevr import evr_compare
from pkglayer.system.sack import Sack


def choose_override(sack: Sack, want: Want, unusable: Collection[Offer] = ()) -> Choice:
    """The base packages that go for this want, and the offers of which one replaces them.

    Inactive while the base has no such package, or has caught up with the replacement. Raises
    Blocked when there is nothing to replace it with; `unusable` offers do not count.
    """
    base = [o for o in sack.named(want.name) if o.installed]
    if not base:
        return Choice(want, provider="nothing", why=f"the base has no package {want.name}")
    if want.kind == REMOVE:
        return Choice(want, changes=tuple(base))
    offers = [o for o in _replacements(sack, want) if o not in unusable]
    if want.header_checksum:
        newest = Nevra.parse(want.spec)
    elif offers:
        newest = sack.newest(offers).nevra
    else:
        raise Blocked([_nothing_offered(sack, want)], data={"spec": want.spec, "repo": want.repo})
    order = evr_compare(base[-1].nevra, newest)
    if order == 0 or (order > 0 and not want.downgrade):
        why = f"the base has caught up: it has {base[-1].nevra}, the override is {newest}"
        return Choice(want, provider=str(base[-1].nevra), why=why)
    if not offers:
        raise Blocked([_gone(want)], data={"spec": want.spec})
    return Choice(want, (tuple(offers),), changes=tuple(base))


def _replacements(sack: Sack, want: Want) -> list[Offer]:
    """Offers for a replacement: the imported file, or what its repository has or had."""
    if want.header_checksum:
        return [o for o, h in sack.cached() if h.header_checksum == want.header_checksum]
    found = [o for o in sack.named(want.name) if not o.installed and not sack.is_excluded(o)]
    return [o for o in found if _origin(sack, o) == want.repo]


def _origin(sack: Sack, offer: Offer) -> str:
    head = sack.head(offer)
    return head.package.repo if head else offer.repo


def _nothing_offered(sack: Sack, want: Want) -> Trouble:
    repository = next((r for r in sack.repositories if r.id == want.repo), None)
    if repository is None:
        text = f"the repository {want.repo}, from which {want.spec} is replaced, is not enabled"
        hint = f"enable it (--enablerepo={want.repo}), or: pkglayer override reset {want.spec}"
        return Trouble(want, "disabled", text, hint)
    if not repository.available:
        text = f"the repository {want.repo} cannot be used now: {repository.problem}"
        return Trouble(want, "missing", text, "try again when it can be used")
    text = f"the repository {want.repo} offers no package {want.spec}"
    return Trouble(want, "missing", text, f"look what there is: pkglayer info {want.spec}")


def _gone(want: Want) -> Trouble:
    text = f"the imported copy of the replacement {want.spec} is gone"
    hint = f"replace it from its file again, or: pkglayer override reset {want.name}"
    return Trouble(want, "local-gone", text, hint)


def check_removals(sack: Sack, choices: Sequence[Choice]) -> None:
    """Refuse removals that other packages of the base need, naming all of those.

    Raises Blocked with their names in `data["dependents"]`.
    """
    removals = [c for c in choices if c.want.kind == REMOVE and c.changes]
    if not removals:
        return
    picks = [p for c in choices if c.want.is_override for p in c.picks]
    gone = [o for c in removals for o in c.changes]
    needing = sack.dependents(gone, picks)
    if not needing:
        return
    names = [o.nevra.name for o in needing]
    what = ", ".join(c.want.spec for c in removals)
    text = f"the base's {', '.join(names)} {'need' if len(names) > 1 else 'needs'} {what}"
    hint = "remove them as well with --with-dependents, which names them, or leave it"
    raise Blocked(
        [Trouble(removals[0].want, "needed", text, hint)], data={"dependents": names}
    )


def find_updates(sack: Sack) -> set[Offer]:
    """Newer versions of the base's packages, of the same architecture, from repositories."""
    base = {(o.nevra.name, o.nevra.arch): o.nevra for o in sack.base()}
    found = set()
    for offer in sack.available(sorted({name for name, _ in base})):
        now = base.get((offer.nevra.name, offer.nevra.arch))
        head = sack.head(offer) if offer.repo == CACHE else None
        if now is None or sack.is_excluded(offer) or (head and head.package.repo == LOCAL):
            continue
        if evr_compare(offer.nevra, now) > 0:
            found.add(offer)
    return found


def to_overrides(
    choices: Iterable[Choice],
    replaced: Iterable[tuple[Offer, Offer]],
    requests: dict[Offer, tuple[str, ...]],
) -> tuple[Override, ...]:
    """What of the base is different, by NEVRA: removed, replaced, or updated for others' sake."""
    asked = {o: c.want for c in choices for o in c.changes}
    rows = [
        Override("remove", str(old.nevra), "", (want.spec,))
        for old, want in asked.items()
        if want.kind == REMOVE
    ]
    for old, new in replaced:
        if old in asked:
            rows.append(Override("replace", str(old.nevra), str(new.nevra), (asked[old].spec,)))
        else:
            rows.append(Override("update", str(old.nevra), str(new.nevra), requests.get(new, ())))
    return tuple(sorted(rows, key=lambda o: (o.old, o.new)))

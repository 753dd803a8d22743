"""What can be seen in a sack: names, specs, requirements, and what is kept out of sight.

`View` is the asking half of `sack.Sack`; nothing here solves or loads. hawkey's packages become
`model.offer.Offer`s, and `objects` leads back to them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hawkey

from pkglayer.model.offer import BASE, CACHE, CachedHead, Offer
from pkglayer.model.package import Nevra
from pkglayer.system.rpmmd import Repository

Edges = dict[Offer, set[Offer]]


@dataclass
class View:
    """All packages that are loaded.

    `heads` maps the location of a cached head to what it is; `disabled` repositories are looked
    into only to tell where a missing package would be; `filelists` says whether metadata was loaded
    with all names of files; `signers` are the signing keys (full fingerprints) of offers where
    somebody looked.
    """

    hawkey_sack: Any
    repositories: tuple[Repository, ...] = ()
    heads: Mapping[str, CachedHead] = field(default_factory=dict)
    disabled: tuple[Repository, ...] = ()
    cachedir: Path = Path()
    root: Path = Path()
    arch: str = ""
    filelists: bool = False
    signers: dict[Offer, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.objects: dict[Offer, Any] = {}
        self._order = {r.id: n for n, r in enumerate(self.repositories)}
        self._configured = self._configured_excludes()
        self._hidden: set[Offer] = set()
        self.erased: tuple[Offer, ...] = ()

    # Queries

    def query(self, *, everything: bool = False) -> Any:
        """A hawkey query over what is in sight, or over `everything` (for `sackinfo`)."""
        flags = hawkey.IGNORE_EXCLUDES if everything else hawkey.APPLY_EXCLUDES
        return hawkey.Query(self.hawkey_sack, flags=flags)

    def offers(self, objects: Iterable[Any]) -> list[Offer]:
        """hawkey's packages as values; `objects` leads back."""
        return sorted(self.offer(o) for o in objects)

    def offer(self, obj: Any) -> Offer:
        nevra = Nevra(obj.name, obj.epoch, obj.version, obj.release, obj.arch)
        repo = CACHE if obj.reponame == hawkey.CMDLINE_REPO_NAME else obj.reponame
        offer = Offer(nevra, repo, "" if repo == BASE else obj.location)
        self.objects.setdefault(offer, obj)
        return offer

    def base(self) -> list[Offer]:
        """The base's packages."""
        return self.offers(self.query(everything=True).installed())

    def base_arches(self) -> dict[str, set[str]]:
        """The architectures of each name in the base: a tenth of what all of `base` takes."""
        arches: dict[str, set[str]] = {}
        for obj in self.query(everything=True).installed():
            arches.setdefault(obj.name, set()).add(obj.arch)
        return arches

    def find(self, spec: str, *, everything: bool = False) -> list[Offer]:
        """What a SPEC (name, NEVRA form, glob, capability, path, comparison) means.

        `everything` includes what is excluded or hidden. Base packages are among the results.
        """
        try:
            best = hawkey.Subject(spec).get_best_solution(
                self.hawkey_sack, with_src=False, query=self.query(everything=everything)
            )
        except hawkey.Exception:
            return []
        return self.offers(best["query"])

    def providers(self, capability: str, *, everything: bool = False) -> list[Offer]:
        """Everything that satisfies one requirement, as headers write it."""
        query = self.query(everything=everything)
        try:
            found = list(query.filter(provides=hawkey.Reldep(self.hawkey_sack, capability)))
        except hawkey.Exception:
            found = []
        if not found and capability.startswith("/"):
            found = list(query.filter(file=capability))
        return self.offers(found)

    def requires(self, offer: Offer) -> list[str]:
        """Hard requirements, `rpmlib()` features left out."""
        found = {str(r) for r in self.objects[offer].requires}
        return sorted(r for r in found if not r.startswith("rpmlib("))

    def edges(self, offers: Iterable[Offer]) -> tuple[Edges, Edges]:
        """Who needs whom among `offers`: hard requirements, and weak ones of either direction."""
        offers = list(offers)
        objects = {o: self.objects[o] for o in offers}
        among = self.query(everything=True).filter(pkg=list(objects.values()))
        found: dict[str, set[Offer]] = {}

        def resolve(dependency: Any) -> set[Offer]:
            text = str(dependency)
            if text not in found:
                hits = among.filter(provides=dependency)
                if text.startswith("/") and not hits:
                    hits = among.filter(file=text)
                found[text] = set(self.offers(hits))
            return found[text]

        hard = {o: {n for r in p.requires for n in resolve(r)} - {o} for o, p in objects.items()}
        weak = {o: {n for r in p.recommends for n in resolve(r)} - {o} for o, p in objects.items()}
        for offer, obj in objects.items():
            for supplement in obj.supplements:
                for other in resolve(supplement) - {offer}:
                    weak[other].add(offer)
        return hard, weak

    def clashes(self, offer: Offer) -> list[Offer]:
        """Base packages that this offer cannot stand beside: Conflicts of either side."""
        base = self.query(everything=True).installed()
        found = set(self.offers(base.filter(conflicts=[self.objects[offer]])))
        for conflict in self.objects[offer].conflicts:
            found.update(self.offers(base.filter(provides=conflict)))
        return sorted(found)

    def conflicting(self, offer: Offer, among: Sequence[Offer]) -> list[Offer]:
        """Which of `among` cannot stand beside the offer: Conflicts of either side."""
        query = self.query(everything=True).filter(pkg=[self.objects[o] for o in among])
        found = set(self.offers(query.filter(conflicts=[self.objects[offer]])))
        for conflict in self.objects[offer].conflicts:
            found.update(self.offers(query.filter(provides=conflict)))
        return sorted(found - {offer})

    def built(self, offer: Offer) -> int:
        """When the package was built (seconds since 1970), 0 where nobody says."""
        return int(self.objects[offer].buildtime or 0)

    def vendor(self, offer: Offer) -> str:
        """Who made the package, as it says itself."""
        return str(self.objects[offer].vendor or "")

    def files(self, offer: Offer) -> list[str]:
        """The paths that are known of an offer: all, or what metadata names by itself."""
        return list(self.objects[offer].files)

    def knows_files(self, offer: Offer) -> bool:
        """Whether these are all."""
        if offer.repo in (BASE, CACHE):
            return True
        repository = next(r for r in self.repositories if r.id == offer.repo)
        return self.filelists and bool(repository.link.getMetadataPath("filelists"))

    def with_files(self, globs: Sequence[str]) -> list[Offer]:
        """Packages of the base that have such files."""
        return self.offers(self.query(everything=True).installed().filter(file__glob=list(globs)))

    def relations(self, offer: Offer) -> list[str]:
        """What it provides and requires."""
        obj = self.objects[offer]
        return [str(r) for r in (*obj.provides, *obj.requires)]

    def signer(self, offer: Offer) -> str:
        """The fingerprint of the key that signed it, "" where it is not known."""
        head = self.heads.get(offer.location) if offer.repo == CACHE else None
        return head.package.key if head else self.signers.get(offer, "")

    def head_size(self, offer: Offer) -> int:
        """Bytes of the file up to the end of its header, 0 where the metadata do not say."""
        return int(self.objects[offer].hdr_end or 0)

    def newest(self, offers: Sequence[Offer]) -> Offer:
        """The one of highest version (of several names: of the first name)."""
        objects = [self.objects[o] for o in offers]
        return self.offers(self.query(everything=True).filter(pkg=objects).latest())[0]

    def names(self) -> set[str]:
        """All package names in sight."""
        return {o.name for o in self.query(everything=True)}

    def named(self, name: str) -> list[Offer]:
        """Every version of one name, excluded ones too."""
        return self.offers(self.query(everything=True).filter(name=name))

    def same(self, nevra: Nevra) -> list[Offer]:
        """All offers (not the base's) of exactly this NEVRA, best repository first."""
        found = self.query(everything=True).filter(
            name=nevra.name, epoch=nevra.epoch, version=nevra.version, release=nevra.release,
            arch=nevra.arch,
        )  # fmt: skip
        return sorted((o for o in self.offers(found) if not o.installed), key=self.rank)

    def rank(self, offer: Offer) -> tuple[int, Offer]:
        """Order among equals: repositories by priority, cost and id; then what is cached."""
        return self._order.get(offer.repo, len(self._order)), offer

    # Excludes

    def _configured_excludes(self) -> set[Offer]:
        """What `excludepkgs` and `includepkgs` of the configuration keep out."""
        out: set[Offer] = set()
        for repository in self.repositories:
            mine = self.query(everything=True).filter(reponame=repository.id)
            for pattern in repository.excludepkgs:
                out.update(self.offers(self._by_nevra(pattern, mine)))
            if repository.includepkgs:
                kept: set[Offer] = set()
                for pattern in repository.includepkgs:
                    kept.update(self.offers(self._by_nevra(pattern, mine)))
                out.update(set(self.offers(mine)) - kept)
        return out

    def _by_nevra(self, pattern: str, query: Any) -> Any:
        subject = hawkey.Subject(pattern)
        return subject.get_best_query(
            self.hawkey_sack, with_provides=False, with_filenames=False, query=query
        )

    def is_excluded(self, offer: Offer) -> bool:
        """Whether the repository configuration keeps it out."""
        return offer in self._configured

    def is_hidden(self, offer: Offer) -> bool:
        """Whether `hide` took it out of sight."""
        return offer in self._hidden

    def erase(self, offers: Iterable[Offer]) -> None:
        """From now on exactly these packages of the base count as to be removed."""
        self.erased = tuple(offers)

    def hide(self, offers: Iterable[Offer]) -> None:
        """Take exactly these (and what configuration excludes) out of sight."""
        self._hidden = set(offers)
        objects = [self.objects[o] for o in sorted(self._hidden | self._configured)]
        self.hawkey_sack.set_excludes(self.query(everything=True).filter(pkg=objects))

    def obsoleting_base(self) -> list[Offer]:
        """Offers that would replace a base package by Obsoletes."""
        everything = self.query(everything=True)
        found = everything.available().filter(obsoletes=everything.installed())
        return self.offers(found)

    def obsoleters(self, offers: Sequence[Offer], *, everything: bool = False) -> list[Offer]:
        """What takes the place of one of these; often another version of itself is among it."""
        query = self.query(everything=everything).available()
        return self.offers(query.filter(obsoletes=[self.objects[o] for o in offers]))

    def obsoleted(self, offer: Offer) -> list[Offer]:
        """What the offer's Obsoletes mean, base packages among it."""
        everything = self.query(everything=True)
        found = [p for o in self.objects[offer].obsoletes for p in everything.filter(provides=o)]
        return self.offers(found)

    def available(self, names: Sequence[str]) -> list[Offer]:
        """Offers of these names, excluded ones too, the base's own not."""
        return self.offers(self.query(everything=True).available().filter(name=list(names)))

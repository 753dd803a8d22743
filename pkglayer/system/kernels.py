"""Kernel modules that a solution would bring: whether they are for the kernel of its state.

Repository metadata names few files by itself. A package whose dependencies speak of kernels is
looked at with whole file lists, which `stages.resolve` asks for then; of others it shows when the
state is built, by `stages.kernel`.
"""

from collections.abc import Iterable, Mapping

from pkglayer.model.explain import Blocked, Trouble
from pkglayer.model.kernelfiles import find_kernels, find_modules
from pkglayer.model.offer import Offer
from pkglayer.model.plan import Unseen
from pkglayer.model.reasons import Reason
from pkglayer.model.request import Want
from pkglayer.system.sack import Sack

_PLACES = ["/lib/modules/*", "/usr/lib/modules/*", "/boot/vmlinuz-*"]

_WORDS = ("kernel-uname-r", "kernel-modules", "kernel(", "ksym(", "kmod(", "modalias(")
"""How provides and requires begin that rpm's generators and kernel packages write."""


def check_modules(
    sack: Sack,
    reasons: Mapping[Offer, Reason],
    replaced: Iterable[tuple[Offer, Offer]],
    removed: Iterable[Offer],
    wants: Iterable[Want],
) -> tuple[Unseen, ...]:
    """What cannot be told of the solution `reasons` yet, by the packages that it is about.

    Raises Blocked for packages whose modules are all for other kernels than the state's.
    """
    files = {offer: _files(sack, offer) for offer in reasons}
    speaking = [o for o in reasons if not sack.knows_files(o) and _speaks_of_kernels(sack, o)]
    modules = {o: found for o, paths in files.items() if (found := find_modules(paths))}
    if not (speaking or modules):
        return ()
    gone = {*(old for old, _ in replaced), *removed}
    stay = [path for o in sack.with_files(_PLACES) if o not in gone for path in _files(sack, o)]
    kernels = find_kernels([*stay, *(path for paths in files.values() for path in paths)])
    if speaking or len(kernels) != 1:
        which = f"for {', '.join(sorted(kernels)) or 'the kernel'}"
        text = f"whether it has modules {which} shows when it is downloaded"
        return tuple(Unseen(str(o.nevra), text) for o in sorted({*speaking, *modules}))
    [kernel] = kernels
    if wrong := {o: found for o, found in modules.items() if kernel not in found}:
        raise Blocked(
            [_trouble(o, found, kernel, reasons[o], wants) for o, found in sorted(wrong.items())],
            data={"kernel": kernel, "packages": [str(o.nevra) for o in sorted(wrong)]},
        )
    return ()


def _trouble(
    offer: Offer, found: set[str], kernel: str, reason: Reason, wants: Iterable[Want]
) -> Trouble:
    mine = [w for w in wants if w.spec in reason.requests]
    text = f"no module for the state's kernel {kernel} is in {offer.nevra}"
    return Trouble(
        mine[0] if mine else Want(offer.nevra.name),
        "modules",
        f"{text} (for {', '.join(sorted(found))})",
        "choose the build of the package that is for this kernel",
    )


def _files(sack: Sack, offer: Offer) -> list[str]:
    return [p for p in sack.files(offer) if "/modules/" in p or p.startswith("/boot/")]


def _speaks_of_kernels(sack: Sack, offer: Offer) -> bool:
    return any(text.lstrip("(").startswith(_WORDS) for text in sack.relations(offer))

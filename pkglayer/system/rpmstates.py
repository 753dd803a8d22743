"""File states of packages in a database: files that are not there, since another colour has the
path or nobody wants documentation.

librpm decides that when it unpacks, which is not how we make a tree. `find_skipped` decides the
same; `mark_skipped` writes it into the headers, as librpm itself changes them (the binding of
Python cannot).
"""

import ctypes
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import rpm

from pkglayer.model.colours import Claim, Colours, find_losers
from pkglayer.model.errors import StateError
from pkglayer.model.header import Imported
from pkglayer.system.overlayroot import Root
from pkglayer.system.rpmconfig import database_path
from pkglayer.system.rpmquery import readable

NOT_INSTALLED, WRONG_COLOUR = b"\x02", b"\x04"
_PACKAGES, _FILESTATES, _MINMEM = 0, 1029, 1

Skipped = Mapping[int, Sequence[int]]
"""Places of files in its header, by the package's place among those that come."""

States = Mapping[int, Mapping[int, bytes]]
"""The same places with the state of each file."""


def read_colours() -> Colours:
    """What rpm's configuration says."""
    count = int(rpm.expandMacro("%{?_transaction_color}") or 0)
    return Colours(count, int(rpm.expandMacro("%{?_prefer_color}") or 2))


def find_skipped(
    root: Root, dbpath: str, packages: Sequence[Imported], gone: Collection[int]
) -> Skipped:
    """The files of these packages that give way; `gone` are numbers of packages that leave.

    To be asked before the packages are in the database.
    """
    colours = read_colours()
    claims: dict[str, list[Claim]] = defaultdict(list)
    for number, package in enumerate(packages):
        for index, entry in enumerate(package.header.files):
            if entry.colour & colours.count:
                claims[root.real_path(entry.path)].append(Claim(entry.colour, number, index))
    there = [path for path in claims if isinstance(root.tree.find(path), str)]
    skipped: dict[int, list[int]] = defaultdict(list)
    for path, colour in _installed(root.path, dbpath, there, gone):
        claims[path].append(Claim(colour))
    for found in claims.values():
        for claim in find_losers(found, colours):
            skipped[claim.package].append(claim.index)
    return dict(skipped)


def _installed(
    root: Path, dbpath: str, paths: Sequence[str], gone: Collection[int]
) -> Iterator[tuple[str, int]]:
    """The colours that packages of the database have at these paths."""
    if not paths:
        return
    with readable(root, dbpath) as (where, at), database_path(at):
        ts = rpm.TransactionSet(str(where.absolute()))
        ts.setVSFlags(-1)
        try:
            for path in paths:
                for h in ts.dbMatch("basenames", f"/{path}"):
                    if h["dbinstance"] not in gone:
                        files = zip(h["filenames"], h["filecolors"] or (), strict=False)
                        yield from ((path, colour) for name, colour in files if name == f"/{path}")
        finally:
            ts.closeDB()


def to_states(wrong: Skipped, unwanted: Skipped) -> States:
    """The states of files of the wrong colour, and of those that are not wanted."""
    states: dict[int, dict[int, bytes]] = defaultdict(dict)
    for rows, state in ((wrong, WRONG_COLOUR), (unwanted, NOT_INSTALLED)):
        for place, files in rows.items():
            states[place] |= dict.fromkeys(files, state)
    return dict(states)


def mark_skipped(root: Path, rows: States) -> None:
    """Let headers of the open database's root say which of their files are not there.

    `rows` are by the package's number in the database here, whose path is as rpm's macros have it.
    Raises StateError.
    """
    lib = _load_librpm()
    ts = lib.rpmtsCreate()
    try:
        lib.rpmtsSetRootDir(ts, os.fsencode(root))
        lib.rpmtsSetVSFlags(ts, -1)
        if lib.rpmtsOpenDB(ts, os.O_RDWR):
            raise StateError("the package database of the state cannot be opened for writing")
        for number, places in rows.items():
            _mark(lib, ts, number, places)
    finally:
        lib.rpmtsFree(ts)


def _mark(lib: ctypes.CDLL, ts: int, number: int, places: Mapping[int, bytes]) -> None:
    key = ctypes.c_uint(number)
    found = lib.rpmtsInitIterator(ts, _PACKAGES, ctypes.byref(key), ctypes.sizeof(key))
    lib.rpmdbSetIteratorRewrite(found, 1)
    states = lib.rpmtdNew()
    try:
        header = lib.rpmdbNextIterator(found)
        if not header or not lib.headerGet(header, _FILESTATES, states, _MINMEM):
            raise StateError(f"the package database of the state has no package {number}")
        for place, state in places.items():
            lib.rpmtdSetIndex(states, place)
            lib.rpmtdGetChar(states)[0] = state
        lib.rpmdbSetIteratorModified(found, 1)
    finally:
        lib.rpmtdFree(states)
        lib.rpmdbFreeIterator(found)


def _load_librpm() -> ctypes.CDLL:
    """The librpm that the binding uses; functions give int unless it is said here."""
    lib = ctypes.CDLL(rpm._rpm.__file__)
    pointer = ctypes.c_void_p
    for name in ("rpmtsCreate", "rpmtsInitIterator", "rpmdbNextIterator", "rpmtdNew"):
        getattr(lib, name).restype = pointer
    lib.rpmtdGetChar.restype = ctypes.POINTER(ctypes.c_char)
    lib.rpmtsSetRootDir.argtypes = (pointer, ctypes.c_char_p)
    lib.rpmtsSetVSFlags.argtypes = (pointer, ctypes.c_int)
    lib.rpmtsOpenDB.argtypes = (pointer, ctypes.c_int)
    lib.rpmtsInitIterator.argtypes = (pointer, ctypes.c_int, pointer, ctypes.c_size_t)
    lib.rpmdbSetIteratorRewrite.argtypes = (pointer, ctypes.c_int)
    lib.rpmdbSetIteratorModified.argtypes = (pointer, ctypes.c_int)
    lib.headerGet.argtypes = (pointer, ctypes.c_int, pointer, ctypes.c_int)
    lib.rpmtdSetIndex.argtypes = (pointer, ctypes.c_int)
    for name in ("rpmdbNextIterator", "rpmdbFreeIterator", "rpmtsFree"):
        getattr(lib, name).argtypes = (pointer,)
    for name in ("rpmtdFree", "rpmtdGetChar"):
        getattr(lib, name).argtypes = (pointer,)
    return lib

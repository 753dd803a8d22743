"""The rpmdb of a state: a real librpm transaction that changes the database and nothing else.

It runs in a forked child, since librpm changes root while it works and keeps macros and paths for
the life of a process. librpm itself judges file conflicts there, with its own rules for identical
files, ghosts, configuration and colours.
"""

import json
import os
import sqlite3
import traceback
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import Any

import rpm

from pkglayer.log import log
from pkglayer.model.errors import ConflictError, PkglayerError, StateError
from pkglayer.system import rpmstates
from pkglayer.system.rpmhome import private_home
from pkglayer.system.rpmlib import load_header

_FLAGS = (
    rpm.RPMTRANS_FLAG_JUSTDB
    | rpm.RPMTRANS_FLAG_NOSCRIPTS
    | rpm.RPMTRANS_FLAG_NOTRIGGERS
    | rpm.RPMTRANS_FLAG_NOPLUGINS
    | rpm.RPMTRANS_FLAG_NOCONTEXTS
)
_IGNORED = (
    rpm.RPMPROB_FILTER_DISKSPACE
    | rpm.RPMPROB_FILTER_DISKNODES
    | rpm.RPMPROB_FILTER_OLDPACKAGE  # whether an older version may come was decided before
)
_JUDGED = rpm.RPMPROB_FILTER_REPLACEOLDFILES | rpm.RPMPROB_FILTER_REPLACENEWFILES
_CONFLICTS = (rpm.RPMPROB_FILE_CONFLICT, rpm.RPMPROB_NEW_FILE_CONFLICT)


def change_packages(
    root: Path, dbpath: str, heads: Sequence[bytes], epoch: int, gone: Sequence[int] = (),
    skipped: rpmstates.States = MappingProxyType({}), order: Sequence[tuple[str, int]] = (),
    judged: bool = False, documentation: bool = True,
) -> None:  # fmt: skip
    """Record packages as installed in the rpmdb of the tree at `root`, and others as removed.

    `heads` are lead, signature and header of each, in installation order; `epoch` (seconds since
    1970) becomes their install time; `gone` are numbers of packages in the database; `skipped`
    files are not there and have these states; `order` mixes both, `+` and an index into
    `heads` or `-` and one into `gone`, and is needed only where something goes;
    `judged` says that file conflicts were looked for before; without `documentation` files of that
    kind clash with nothing. Raises ConflictError for them, with
    both owners, and StateError when the database cannot be written.
    """
    if not heads and not gone:
        return
    order = order or [("+", number) for number in range(len(heads))]
    flags = _FLAGS | (0 if documentation else rpm.RPMTRANS_FLAG_NODOCS)
    problems = _in_child(
        lambda: _transaction(root, dbpath, heads, epoch, gone, skipped, order, judged, flags)
    )
    conflicts = [p for p in problems if p["type"] in _CONFLICTS]
    if conflicts:
        raise _conflict(conflicts)
    if problems:
        raise StateError("rpm refuses the transaction: " + "; ".join(p["text"] for p in problems))


def _conflict(problems: list[dict[str, Any]]) -> ConflictError:
    lines = [f"{p['path']}: in {p['package']} and in {p['other']}" for p in problems]
    shown = "\n  ".join(lines[:8]) + (f"\n  and {len(lines) - 8} more" if len(lines) > 8 else "")
    return ConflictError(
        f"different content for the same path:\n  {shown}",
        hint=f"leave out {problems[0]['package']} or {problems[0]['other']}",
        data={"conflicts": problems},
    )


def _transaction(
    root: Path, dbpath: str, heads: Sequence[bytes], epoch: int, gone: Sequence[int],
    skipped: rpmstates.States, order: Sequence[tuple[str, int]], judged: bool, flags: int,
) -> list[Any]:  # fmt: skip
    with private_home(dbpath), TemporaryFile("w+") as complaints:
        os.environ["SOURCE_DATE_EPOCH"] = str(epoch)
        rpm.reloadConfig()
        rpm.setVerbosity(rpm.RPMLOG_ERR)
        rpm.setLogFile(complaints)  # librpm goes on after some errors of its database
        ts = rpm.TransactionSet(str(root))
        ts.setVSFlags(-1)
        ts.setVfyLevel(0)
        ts.setFlags(flags)
        ts.setProbFilter(_IGNORED | (_JUDGED if judged else 0))
        for sign, number in order:  # it is librpm's already, and the one in which scripts run
            if sign == "+":
                ts.addInstall(load_header(heads[number]), number, "i")
            else:
                ts.addErase(gone[number])
        opened: list[int] = []

        def callback(
            what: int, _amount: int, _total: int, key: int | None, _data: object
        ) -> int | None:
            if what == rpm.RPMCALLBACK_INST_OPEN_FILE and key is not None:
                fd = os.memfd_create("rpm-head")
                os.write(fd, heads[key])
                os.lseek(fd, 0, os.SEEK_SET)
                opened.append(fd)
                return fd
            if what == rpm.RPMCALLBACK_INST_CLOSE_FILE and opened:
                os.close(opened.pop())
            return None

        failed = ts.run(callback, None) is not None  # None is success, [] an internal failure
        problems = [_problem(p) for p in ts.problems() or ()] if failed else []
        if failed and not problems:
            problems = [{"type": -1, "text": "the rpmdb could not be written (see above)"}]
        if skipped and not problems:
            rows = {_number(ts, heads[place]): files for place, files in skipped.items()}
            rpmstates.mark_skipped(root, rows)
        ts.closeDB()
        complaints.flush()
        complaints.seek(0)
        if (text := complaints.read().strip()) and not problems:
            problems = [{"type": -1, "text": text}]
    if not problems:
        settle(root / dbpath)
    return problems


def _number(ts: Any, head: bytes) -> int:
    """The number that a package got in the database."""
    wanted = load_header(head)["nevra"]
    found = ts.dbMatch("name", load_header(head)["name"])
    return int(next(h["dbinstance"] for h in found if h["nevra"] == wanted))


def _problem(p: Any) -> dict[str, Any]:
    return {
        "type": p.type,
        "text": str(p),
        "package": p.pkgNEVR or "",
        "other": p.altNEVR or "",
        "path": p._str or "",
    }


def settle(directory: Path) -> None:
    """Leave one plain SQLite file: no write-ahead log, no lock file, so that it can be read from
    a read-only file system and two runs give the same bytes."""
    file = directory / "rpmdb.sqlite"
    if file.exists():
        connection = sqlite3.connect(file)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA journal_mode=DELETE")
        finally:
            connection.close()
    for name in ("rpmdb.sqlite-wal", "rpmdb.sqlite-shm", ".rpm.lock"):
        (directory / name).unlink(missing_ok=True)


def _in_child(work: Any) -> Any:
    """Run `work` in a forked child and return its JSON value; its failure is raised here."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(read)
            answer = json.dumps(work()).encode()
            code = 0
        except BaseException as e:
            log.debug("in the child: %s", traceback.format_exc())
            answer = f"{type(e).__name__}: {e}".encode(errors="replace")
        with os.fdopen(write, "wb") as out:
            out.write(answer)
        os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as source:
        answer = source.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise PkglayerError(f"writing the rpmdb failed: {answer.decode(errors='replace').strip()}")
    return json.loads(answer)

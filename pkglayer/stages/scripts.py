"""Scripts: scriptlets and triggers run in rpm's order, each in a sandbox on the mounted root.

The packages' files appear between %pre and %post, and get their owners then, when the users that
%pre or sysusers.d made exist. What runs is decided by `model.sequence` and the policy table of
`model.scriptlet`; how it is kept away from the host is `system.sandbox`' matter.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pkglayer.log import Progress
from pkglayer.model.accounts import Names, Renumbering, find_added, plan_ids
from pkglayer.model.errors import ScriptError
from pkglayer.model.exchange import Erase
from pkglayer.model.header import Header, Imported
from pkglayer.model.record import Account, Note, Ruling, ScriptRun
from pkglayer.model.scriptlet import Limits, Scriptlet
from pkglayer.model.scriptrules import REPLACE, RULES, RUN, SKIP, Rule, find_policy, is_fatal
from pkglayer.model.sequence import Run, Step, Unpack
from pkglayer.system import (
    accountfiles,
    disposal,
    interpreters,
    owners,
    rpmlua,
    rpmremoved,
    rpmtriggers,
    sandbox,
    tampering,
)
from pkglayer.system.earlier import Earlier
from pkglayer.system.overlayroot import Root
from pkglayer.system.rpmremoved import Removal

SHELL = ("/bin/sh",)
SYSUSERS = "/usr/bin/systemd-sysusers"
SYSUSERS_FILE = re.compile(r"/(usr/lib|etc)/sysusers\.d/[^/]+\.conf")


@dataclass(frozen=True)
class Setup:
    """How scripts run: `epoch` (seconds) is their SOURCE_DATE_EPOCH, `dbpath` the rpmdb's path in
    the tree, `post_failure` what a failure other than %pre's does (`abort` or `warn`)."""

    dbpath: str
    epoch: int = 0
    post_failure: str = "abort"
    limits: Limits = field(default_factory=Limits)
    rules: Sequence[Rule] = RULES


@dataclass(frozen=True)
class ScriptReport:
    """What ran, which accounts there are because of it, and what was skipped or went wrong."""

    runs: tuple[ScriptRun, ...] = ()
    accounts: tuple[Account, ...] = ()
    notes: tuple[Note, ...] = ()
    rulings: tuple[Ruling, ...] = ()


def run_scripts(
    root: Root,
    order: Sequence[Imported],
    setup: Setup,
    progress: Progress,
    *,
    seed: Sequence[Account] = (),
    removal: Removal | None = None,
) -> ScriptReport:
    """Add the packages `order` (librpm's order) to the mounted root and run all their scripts.

    `seed` are accounts of the state before, which keep their ids; the files of the packages of
    `removal` go, and their scripts run, as rpm does it. Raises ScriptError for an
    interpreter that neither the tree nor the layer has, before anything runs, and for a scriptlet
    that fails or exceeds a limit.
    """
    kept = disposal.find_kept(root, setup.dbpath) if removal else frozenset()
    steps = _plan(root, setup, order, removal, kept)
    _check_interpreters(root, order, steps, setup)
    job = _Job(root, setup, progress)
    job.seed = seed
    job.earlier = Earlier(root, setup.dbpath, setup.epoch, order, removal)
    progress.start("Running scriptlets", sum(1 for s in steps if isinstance(s, Run)))
    for step in steps:
        if isinstance(step, Unpack):
            job.waiting.append(order[step.index])
        elif isinstance(step, Erase):
            job.unpack()
            disposal.remove_files(root, _header(removal, step), kept)
        else:
            job.unpack()
            job.run(step)
            progress.advance(detail=f"{step.owner.nevra.name} %{step.kind}")
    job.unpack()
    progress.done()
    return job.finish()


def _plan(
    root: Root,
    setup: Setup,
    order: Sequence[Imported],
    removal: Removal | None,
    kept: frozenset[str],
) -> tuple[Step | Erase, ...]:
    if not removal:
        return rpmtriggers.plan_scripts(root.path, setup.dbpath, order)
    headers = [r.header for r in removal.packages]
    for header in headers:
        root.leaving |= {entry.path for entry in header.files}
        root.pristine |= disposal.pristine_configs(header)
    vanishing = [disposal.find_vanishing(root, header, kept) for header in headers]
    return rpmremoved.plan_scripts(root.path, setup.dbpath, order, removal, vanishing)


def _header(removal: Removal | None, step: Erase) -> Header:
    packages = removal.packages if removal else ()
    return next(r.header for r in packages if r.member is step.member)


def _check_interpreters(
    root: Root, order: Sequence[Imported], steps: Sequence[Step | Erase], setup: Setup
) -> None:
    users: dict[str, Run] = {}
    for step in steps:
        if isinstance(step, Run) and _rule(step, setup).action == RUN:
            users.setdefault(step.script.program[0], step)
    users.pop(rpmlua.LUA, None)
    layer = (entry for imported in order for entry in imported.header.files)
    missing = list(interpreters.find_missing(root.path, users, layer))
    if missing:
        lines = [f"{users[m].owner.nevra} %{users[m].kind} needs {m}" for m in missing]
        raise ScriptError(
            "the base has no interpreter for " + "; ".join(lines),
            hint="layer the package that has it as well",
            data={"missing": missing},
        )


def _rule(step: Run, setup: Setup) -> Rule:
    return find_policy(step.owner.nevra.name, step.kind, setup.rules)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class _Job:
    """One pass over the sequence: what was done so far, and what is to be remembered of it."""

    def __init__(self, root: Root, setup: Setup, progress: Progress) -> None:
        self.root = root
        self.setup = setup
        self.progress = progress
        self.waiting: list[Imported] = []
        self.runs: list[ScriptRun] = []
        self.accounts: list[Account] = []
        self.seed: Sequence[Account] = ()
        self.earlier = Earlier(root, setup.dbpath, setup.epoch, ())
        self.notes: list[Note] = []
        self.rulings: list[Ruling] = []
        self.declared = accountfiles.add_declared(root.path)
        self.texts = accountfiles.read_texts(root.path)
        if accountfiles.has_altfiles(root.path):
            accountfiles.show_altfiles(root.path)
        self.names = self.base_names = accountfiles.read_names(root.path)
        self.absent = frozenset(tampering.find_replaced(root.path))

    def unpack(self) -> None:
        """Let the files of the packages that wait appear, with their owners."""
        if not self.waiting:
            return
        for imported in self.waiting:
            self._check_var(imported)
        self.root.add(*self.waiting)
        for imported in self.waiting:
            self._make_sysusers(imported)
            self._fix_owners(imported)
        self.waiting.clear()

    def run(self, step: Run) -> None:
        """Run one script, or note why it is not run; raises ScriptError by the policy."""
        nevra, rule = str(step.owner.nevra), _rule(step, self.setup)
        self._remember(nevra, step.kind, rule)
        if rule.action == SKIP:
            return
        if rule.action == REPLACE:
            step = replace(step, script=Scriptlet(step.kind, SHELL, rule.body))
        outcome = self._run(step, rule.seconds)
        self.runs.append(ScriptRun(nevra, step.kind, outcome.exit_code, outcome.output))
        if replaced := set(tampering.find_replaced(self.root.path)) - self.absent:
            raise ScriptError(
                f"%{step.kind} of {nevra} replaced {', '.join(sorted(replaced))}",
                hint="do not install this package; tell whoever made it",
                data={"package": nevra, "kind": step.kind},
            )
        self._notice_accounts(step.owner.nevra.name)
        if outcome.exit_code or outcome.killed_by:
            self._failed(step, outcome)

    def finish(self) -> ScriptReport:
        """Put accounts where the base keeps them, and tell what happened."""
        if accountfiles.has_altfiles(self.root.path):
            accountfiles.move_to_altfiles(self.root.path, self.texts)
        accountfiles.drop_declared(self.root.path, self.declared)
        return ScriptReport(
            tuple(self.runs), tuple(self.accounts), tuple(self.notes), tuple(self.rulings)
        )

    def _remember(self, nevra: str, kind: str, rule: Rule) -> None:
        if rule.source:
            ruling = Ruling(nevra, kind, rule.action, rule.reason, rule.seconds, rule.source)
            if ruling not in self.rulings:
                self.rulings.append(ruling)
                self.progress.note(ruling.sentence)
        elif rule.action == SKIP:
            self.notes.append(Note(nevra, f"%{kind}", f"not run: {rule.reason}"))

    def _run(self, step: Run, seconds: int) -> sandbox.Outcome:
        script, label = step.script, f"{step.owner.nevra.name} %{step.kind}"
        stdin = _encode("".join(f"{path}\n" for path in step.stdin))
        if rpmlua.needs_librpm(script):
            launch = rpmlua.to_launch(self.root.path, step)
            return self._sandboxed(
                launch.argv,
                label=label,
                script=launch.job,
                stdin=stdin,
                env={**step.owner.environment, **launch.env},
                binds=launch.binds,
                seconds=seconds,
            )
        return self._sandboxed(
            script.program,
            label=label,
            script=_encode(script.body) if script.body else None,
            arguments=[str(a) for a in step.arguments] if script.body else [],
            stdin=stdin,
            env=step.owner.environment,
            binds=self.earlier.make(script, step.owner.nevra),
            seconds=seconds,
        )

    def _sandboxed(
        self,
        program: Sequence[str],
        *,
        label: str,
        script: bytes | None = None,
        arguments: Sequence[str] = (),
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        binds: Sequence[tuple[Path, str]] = (),
        seconds: int = 0,
    ) -> sandbox.Outcome:
        limits = self.setup.limits
        return sandbox.run_sandboxed(
            self.root.path,
            self.root.var,
            program,
            script=script,
            arguments=arguments,
            stdin=stdin,
            env={"SOURCE_DATE_EPOCH": str(self.setup.epoch), **(env or {})},
            binds=binds,
            limits=replace(limits, seconds=seconds or limits.seconds),
            readonly=[self.setup.dbpath],
            on_line=lambda line: self.progress.note(f"{label}: {line}"),
        )

    def _failed(self, step: Run, outcome: sandbox.Outcome) -> None:
        nevra = str(step.owner.nevra)
        cause = f" (set off by {step.cause})" if step.cause not in ("", nevra) else ""
        why = (
            f"was ended: it exceeded the limit on {outcome.killed_by}"
            if outcome.killed_by
            else f"failed with exit code {outcome.exit_code}"
        )
        if not is_fatal(step.kind, self.setup.post_failure):
            self.notes.append(Note(nevra, f"%{step.kind}", why))
            self.progress.note(f"warning: %{step.kind} of {nevra}{cause} {why}")
            return
        last = outcome.output.strip().splitlines()[-5:]
        raise ScriptError(
            "\n  ".join([f"%{step.kind} of {nevra}{cause} {why}", *last]),
            hint="nothing was changed; leave the package out, report it to whoever made it, or "
            "write a rule about this scriptlet: man pkglayer.toml",
            data={
                "package": nevra,
                "kind": step.kind,
                "exit_code": outcome.exit_code,
                "limit": outcome.killed_by,
                "output": outcome.output,
            },
        )

    # --- accounts and owners ---------------------------------------------------------------

    def _check_var(self, imported: Imported) -> None:
        files = imported.header.files
        for path in tampering.find_diverted(self.root.path, self.root.var, files):
            raise ScriptError(
                f"a link that a scriptlet made leads {path} of {imported.header.nevra} out of /var",
                hint="leave out the package whose scriptlet does this",
                data={"package": str(imported.header.nevra), "path": path},
            )

    def _notice_accounts(self, package: str) -> None:
        names = accountfiles.read_names(self.root.path)
        if moves := self._keep_ids(find_added(self.names, names, package), names):
            names = accountfiles.read_names(self.root.path)
            self.accounts = [moves.follow(a) for a in self.accounts]
        self.accounts += find_added(self.names, names, package)
        self.names = names

    def _keep_ids(self, added: Sequence[Account], names: Names) -> Renumbering:
        """Accounts that the state before had keep their ids, and files their owners."""
        moves = plan_ids(added, self.seed, names, self.base_names)
        for account, why in moves.refused:
            text = f"{account.kind} {account.name} gets another id"
            self.notes.append(Note(account.package, text, why))
        if moves:
            accountfiles.renumber(self.root.path, moves)
            owners.move_owners(self.root.upper, self.root.path, moves)
            owners.move_owners(self.root.var, self.root.var, moves)
        return moves

    def _make_sysusers(self, imported: Imported) -> None:
        """The accounts of a package's own sysusers.d files exist before its files need owners."""
        files = [f.path for f in imported.header.files if SYSUSERS_FILE.fullmatch(f.path)]
        if not files:
            return
        package = imported.header.nevra.name
        if not list(interpreters.find_missing(self.root.path, [SYSUSERS], ())):
            outcome = self._sandboxed([SYSUSERS, *files], label=f"{package} sysusers.d")
            if outcome.exit_code:
                self.notes.append(Note(package, files[0], f"sysusers failed: {outcome.output}"))
        else:
            accountfiles.add_from_sysusers(self.root.path, files, package)
        self._notice_accounts(package)

    def _fix_owners(self, imported: Imported) -> None:
        nevra = str(imported.header.nevra)
        warned: set[str] = set()
        for entry in imported.header.files:
            if entry.user == "root" and entry.group == "root":
                continue
            for place in owners.find_places(
                self.root.path, self.root.var, self.root.placed, entry, nevra
            ):
                warned.update(owners.fix_owner(place, entry, self.names))
        for warning in sorted(warned):
            self.notes.append(Note(nevra, "owner", warning))
            self.progress.note(f"warning: {nevra}: {warning}")

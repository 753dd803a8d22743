"""Configuration of RPM repositories: .repo files and dnf.conf, read by libdnf as dnf does.

`read_repositories(files, sources)` -> every `Repository`, not loaded. Nothing is downloaded here;
`rpmmd` does that. Keys are looked up inside the deployment whose configuration it is.
"""

import fnmatch
import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import libdnf.conf
import libdnf.error
import libdnf.repo

from pkglayer.log import log
from pkglayer.model.errors import ConfigError, UsageError
from pkglayer.model.openpgp import parse_keys, why_unusable
from pkglayer.system.config import find_inside

_NOT_OURS = frozenset({
    "cachedir", "config_file_path", "installroot", "logdir", "persistdir", "pluginconfpath",
    "pluginpath", "reposdir", "system_cachedir", "varsdir",
})  # fmt: skip
"""Keys of dnf.conf's [main] that name places of dnf itself."""


@dataclass(frozen=True)
class Sources:
    """Where repositories are configured and what overrides them.

    `root` is the deployment that `gpgkey=file:///...` means; `main` its dnf.conf; `variables` hold
    `releasever`, `basearch`, `arch` too; `enable` and `disable` are globs over ids, applied in that
    order; `gpgcheck` is the default where configuration says nothing.
    """

    root: Path
    cachedir: Path
    main: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    gpgcheck: bool = True


@dataclass(frozen=True)
class Repository:
    """One repository as configured and, once loaded, as it is.

    `available` tells whether metadata can be used; `problem` why it could not be brought up to
    date; `stale` that older metadata is used instead; `timestamp` is when the metadata was made
    (seconds since 1970); `comps` the path of its group file. `gpgkeys` are as configured,
    `keys_digest` tells whether the keys for metadata are still the same. `link` is libdnf's own
    object, for `rpmmd`, `sack` and `rpmmdget` alone.
    """

    id: str
    name: str = ""
    enabled: bool = True
    file: str = ""
    priority: int = 99
    cost: int = 1000
    baseurls: tuple[str, ...] = ()
    mirrors: str = ""
    gpgcheck: bool = True
    repo_gpgcheck: bool = False
    gpgkeys: tuple[str, ...] = ()
    excludepkgs: tuple[str, ...] = ()
    includepkgs: tuple[str, ...] = ()
    skip_if_unavailable: bool = False
    cachedir: str = ""
    available: bool = False
    problem: str = ""
    stale: bool = False
    timestamp: int = 0
    comps: str = ""
    keys_digest: str = ""
    link: Any = field(default=None, repr=False, compare=False)

    @property
    def local(self) -> bool:
        """Whether it lies on this machine (then its packages may name local places too)."""
        return bool(self.baseurls) and all(u.startswith("file:") for u in self.baseurls)


def read_repositories(files: Iterable[Path], sources: Sources) -> list[Repository]:
    """All repositories of these files, enabled or not, best first (priority, cost, id).

    Raises ConfigError naming file and key for what cannot be read, UsageError for an `enable` or
    `disable` glob that matches nothing.
    """
    main = _read_main(sources)
    found: dict[str, Repository] = {}
    for path in files:
        parser = _parse(path, sources.variables)
        for section in sorted(parser.getData()):
            if section == "main":
                continue
            if section in found:
                log.warning("repository %s is in %s and again in %s; the first one counts",
                            section, found[section].file, path)  # fmt: skip
                continue
            found[section] = _read_section(parser, section, path, main, sources)
    _check_globs(found, (*sources.enable, *sources.disable))
    return sorted(found.values(), key=lambda r: (r.priority, r.cost, r.id))


def _check_globs(found: Mapping[str, Repository], globs: Iterable[str]) -> None:
    for glob in globs:
        if not any(fnmatch.fnmatchcase(name, glob) for name in found):
            known = ", ".join(sorted(found)) or "none"
            raise UsageError(f"no repository matches '{glob}'", hint=f"known are: {known}")


def _parse(path: Path, variables: Mapping[str, str]) -> Any:
    parser = libdnf.conf.ConfigParser()
    parser.setSubstitutions(dict(variables))
    try:
        parser.read(str(path))
    except (libdnf.error.Error, RuntimeError) as e:
        raise ConfigError(
            f"{path}: not a valid repository file: {e}", hint="correct it or move it away"
        ) from e
    return parser


def _read_main(sources: Sources) -> Any:
    main = libdnf.conf.ConfigMain()
    main.gpgcheck().set(libdnf.conf.Option.Priority_DEFAULT, sources.gpgcheck)
    if sources.main is not None and sources.main.is_file():
        parser = _parse(sources.main, sources.variables)
        if parser.hasSection("main"):
            priority = libdnf.conf.Option.Priority_MAINCONFIG
            _apply(main, parser, "main", sources.main, priority)
    main.cachedir().set(libdnf.conf.Option.Priority_RUNTIME, str(sources.cachedir))
    options, key = main.optBinds(), "optional_metadata_types"
    if key in {row.first for row in options}:
        # A newer libdnf leaves file lists at the server otherwise, and requirements may be paths.
        options.at(key).newString(libdnf.conf.Option.Priority_RUNTIME, "filelists")
    return main


def _apply(config: Any, parser: Any, section: str, path: Path, priority: int) -> None:
    """Set every option of a section that libdnf knows; the others are dnf's own or newer."""
    options = config.optBinds()
    known = {row.first for row in options}
    for key in parser.getData()[section]:
        if key in _NOT_OURS or key not in known:
            log.debug("%s: [%s] %s is not used here", path, section, key)
            continue
        value = parser.getSubstitutedValue(section, key)
        try:
            options.at(key).newString(priority, value)
        except (libdnf.error.Error, RuntimeError) as e:
            raise ConfigError(
                f"{path}: [{section}] {key}: {value!r} is not possible: {e}",
                hint="correct the line; dnf.conf(5) lists the values",
                data={"file": str(path), "section": section, "key": key},
            ) from e


def _read_section(parser: Any, section: str, path: Path, main: Any, sources: Sources) -> Repository:
    if libdnf.repo.Repo.verifyId(section) >= 0 or section in (".", ".."):
        raise ConfigError(
            f"{path}: [{section}] cannot be the id of a repository",
            hint="use letters, digits and - _ . : only",
        )
    config = libdnf.conf.ConfigRepo(main)
    _apply(config, parser, section, path, libdnf.conf.Option.Priority_REPOCONFIG)
    keys = tuple(config.gpgkey().getValue())
    config.this.disown()  # the Repo owns it from here on
    link = libdnf.repo.Repo(section, config)
    link.parent_config = main  # C++ only points to it: it must live as long as the Repo
    link.setSubstitutions(dict(sources.variables))
    link.setRepoFilePath(str(path))
    enabled = config.enabled().getValue()
    for globs, value in ((sources.enable, True), (sources.disable, False)):
        if any(fnmatch.fnmatchcase(section, g) for g in globs):
            enabled = value
    repository = Repository(
        id=section,
        name=_text(config.name()) or section,
        enabled=enabled,
        file=str(path),
        priority=config.priority().getValue(),
        cost=config.cost().getValue(),
        baseurls=tuple(config.baseurl().getValue()),
        mirrors=_text(config.metalink()) or _text(config.mirrorlist()),
        gpgcheck=config.gpgcheck().getValue(),
        repo_gpgcheck=config.repo_gpgcheck().getValue(),
        gpgkeys=keys,
        excludepkgs=(*main.excludepkgs().getValue(), *config.excludepkgs().getValue()),
        includepkgs=(*main.includepkgs().getValue(), *config.includepkgs().getValue()),
        skip_if_unavailable=config.skip_if_unavailable().getValue(),
        link=link,
    )
    return _with_keys(repository, config, sources.root)


def _with_keys(repository: Repository, config: Any, root: Path) -> Repository:
    """Let metadata signatures be checked with keys of the deployment, never of the host."""
    if not repository.repo_gpgcheck:
        return repository
    if not repository.gpgkeys:
        return replace(repository, problem="repo_gpgcheck is set without a gpgkey")
    paths, digest = [], hashlib.sha256()
    for key in repository.gpgkeys:
        try:
            path, data = _read_key(root, key)
        except ValueError as e:
            return replace(repository, problem=f"repo_gpgcheck is set, and its key {key} {e}")
        paths.append(f"file://{path}")
        digest.update(data)
    config.gpgkey().set(libdnf.conf.Option.Priority_RUNTIME, libdnf.conf.VectorString(paths))
    return replace(repository, keys_digest=digest.hexdigest())


def _read_key(root: Path, key: str) -> tuple[Path, bytes]:
    """A key file of the deployment; raises ValueError with why it cannot be used."""
    if not key.startswith(("file:///", "/")):
        raise ValueError("would have to be fetched from the network unseen")
    path = find_inside(root, key.removeprefix("file://"))
    if path is None or not path.is_file():
        raise ValueError("does not exist in the deployment")
    data = path.read_bytes()
    reasons = [why_unusable(k, time.time()) for k in parse_keys(data)]
    if all(reasons):
        raise ValueError(reasons[0])
    return path, data


def _text(option: Any) -> str:
    return "" if option.empty() else str(option.getValue())

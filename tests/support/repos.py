"""Makes RPM repositories with createrepo_c, and the text of the .repo files that name them.

The metadata depends on the packages alone, not on the time. Serving it is `servers.py`.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from tests.support.keys import GpgKey, sign_file
from tests.support.rpms import BUILD_TIME

Comps = Mapping[str, Iterable[str]]
"""Names of the mandatory packages of each group, by the group's id; `^id` is an environment, and
its names are groups."""


def make_repo(
    path: Path,
    rpms: Iterable[Path] = (),
    *,
    comps: Comps | None = None,
    sign_with: GpgKey | None = None,
) -> Path:
    """Add copies of `rpms` to the repository at `path`, write its metadata anew, return `path`.

    With a key the metadata is signed too (`repodata/repomd.xml.asc`).
    """
    path.mkdir(parents=True, exist_ok=True)
    for rpm in rpms:
        shutil.copy2(rpm, path / rpm.name)  # the metadata has its time
    words = ["--quiet", "--no-database", "--simple-md-filenames", "--compress-type=gz"]
    words += [f"--revision={BUILD_TIME}", "--set-timestamp-to-revision"]
    with tempfile.TemporaryDirectory() as work:
        if comps:
            # The file's name becomes part of the metadata, so it is always the same.
            groups = Path(work, "comps.xml")
            groups.write_text(_comps_text(comps))
            words += ["--groupfile", str(groups)]
        subprocess.run(["createrepo_c", *words, str(path)], check=True, capture_output=True)
    if sign_with:
        sign_file(path / "repodata/repomd.xml", sign_with)
    return path


def repo_file(name: str, baseurl: str | Path, **options: str | int | Path) -> str:
    """Return the text of a .repo file with one section; options are written as they are.

    `gpgcheck` is off unless asked for, `metadata_expire` is 0 so that tests see every change.
    """
    url = baseurl.as_uri() if isinstance(baseurl, Path) else baseurl
    texts: dict[str, str | int | Path] = {"name": name, "baseurl": url, "enabled": 1}
    texts |= {"gpgcheck": 0, "metadata_expire": 0} | options
    lines = [f"{key}={_option_text(value)}" for key, value in texts.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def _option_text(value: str | int | Path) -> str:
    return value.as_uri() if isinstance(value, Path) else str(value)


def _comps_text(comps: Comps) -> str:
    groups = "".join(_group_text(group, names) for group, names in comps.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<comps>\n{groups}</comps>\n'


def _group_text(group: str, names: Iterable[str]) -> str:
    if group.startswith("^"):
        return _environment_text(group[1:], names)
    wanted = "".join(f'<packagereq type="mandatory">{escape(name)}</packagereq>' for name in names)
    shown = f"<id>{escape(group)}</id><name>{escape(group.title())}</name>"
    flags = "<default>true</default><uservisible>true</uservisible>"
    return f"<group>{shown}{flags}<packagelist>{wanted}</packagelist></group>\n"


def _environment_text(environment: str, groups: Iterable[str]) -> str:
    shown = f"<id>{escape(environment)}</id><name>{escape(environment.title())}</name>"
    listed = "".join(f"<groupid>{escape(group)}</groupid>" for group in groups)
    return f"<environment>{shown}<grouplist>{listed}</grouplist></environment>\n"

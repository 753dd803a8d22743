"""Runs rpmbuild on a spec and a filled build root; nothing is compiled, stripped or generated.

Build time and host are fixed, so that the same input gives the same RPM.
"""

import os
import subprocess
from pathlib import Path

from tests.support.world.model import WorldError

EPOCH = 1_750_000_000  # a fixed date after the release of the packages

_MACROS = {
    "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    "_binary_payload": "w1.zstdio",  # packing is most of the time; the size hardly matters
    "_buildhost": "world",
    "_vendor": "Debian as RPM",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
    # Dependencies are Debian's own; rpm's generators would find others.
    "_use_internal_dependency_generator": "0",
    "__find_provides": "%{nil}",
    "__find_requires": "%{nil}",
    "__os_install_post": "%{nil}",
    "debug_package": "%{nil}",
    # The links of two packages with the same binary would conflict.
    "_build_id_links": "none",
    "_unpackaged_files_terminate_build": "0",
}


def build_rpm(spec: str, buildroot: Path, out: Path) -> None:
    """Pack `buildroot` as the spec says into `out`; both, and the spec, are the caller's."""
    work = buildroot.parent
    spec_file = work / "package.spec"
    spec_file.write_text(spec)
    macros = _MACROS | {"_topdir": str(work), "_rpmdir": str(out), "_dbpath": str(work / "db")}
    definitions = [word for name, body in macros.items() for word in ("-D", f"{name} {body}")]
    result = subprocess.run(
        ["rpmbuild", "-bb", "--quiet", "--noclean", "--nodeps"]
        + ["--target", "noarch-linux" if "\nBuildArch: noarch" in spec else "x86_64-linux"]
        + ["--buildroot", str(buildroot), *definitions, str(spec_file)],
        env=os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise WorldError(f"rpmbuild of {work.name} failed:\n{result.stderr[-2000:]}")

"""Makes OpenPGP keys for tests and signs packages and files with them.

Each key has its own home directory and no passphrase. No agent is left running.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GpgKey:
    """A secret key in `home`; `public` is the armoured public key as a repository ships it."""

    home: Path
    fingerprint: str
    public: Path


EXPIRED = 1_577_880_000
"""Seconds since the epoch, in 2020: then a key that is `expired` by now was made, for one day."""


def make_gpg_key(tmp: Path, name: str = "test", *, expire: str = "never") -> GpgKey:
    """Make a signing key in `tmp/gpg-NAME`; `expire` as gpg takes it, such as `1y`.

    With `expired` the key and all that it signs are of a day long ago, and it counted only then.
    RSA with 2,048 bits, because every rpm, libdnf and libostree of the last ten years accepts it.
    """
    home = tmp / f"gpg-{name}"
    home.mkdir(mode=0o700, parents=True)
    user = f"{name} <{name}@example.invalid>"
    if expire == "expired":
        (home / "gpg.conf").write_text(f"faked-system-time {EXPIRED}\n")
        expire = "1d"
    _run_gpg(home, ["--passphrase=", "--quick-generate-key", user, "rsa2048", "sign", expire])
    listing = _run_gpg(home, ["--list-keys", "--with-colons"]).decode()
    [record, *_] = [line for line in listing.splitlines() if line.startswith("fpr")]
    fingerprint = record.split(":")[9]
    public = tmp / f"{name}.asc"
    public.write_bytes(_run_gpg(home, ["--armor", "--export", fingerprint]))
    return GpgKey(home, fingerprint, public)


def revoke(key: GpgKey) -> None:
    """Let the key's owner revoke it; its public key file says so from now on."""
    certificate = key.home / f"openpgp-revocs.d/{key.fingerprint}.rev"
    # gpg puts a colon in front, lest somebody imports it by accident.
    text = certificate.read_text().replace(":-----BEGIN", "-----BEGIN")
    certificate.write_text(text)
    _run_gpg(key.home, ["--import", str(certificate)])
    key.public.write_bytes(_run_gpg(key.home, ["--armor", "--export", key.fingerprint]))


def sign_rpm(path: Path, key: GpgKey) -> Path:
    """Add the key's signature to a package, in place."""
    macros = {
        # Debian's rpm looks for gpg2, which Debian does not have.
        "__gpg": shutil.which("gpg") or "gpg",
        "_gpg_name": key.fingerprint,
        "_gpg_path": str(key.home),
    }
    defines = [f"--define={name} {value}" for name, value in macros.items()]
    try:
        subprocess.run(
            ["rpmsign", *defines, "--addsign", str(path)],
            env=_environment(key.home),
            check=True,
            capture_output=True,
        )
    finally:
        _end_agent(key.home)
    return path


def sign_file(path: Path, key: GpgKey) -> Path:
    """Write an armoured detached signature beside `path`, named `path.asc`, and return it."""
    signature = path.with_name(path.name + ".asc")
    words = [f"--local-user={key.fingerprint}", "--armor", "--yes", f"--output={signature}"]
    _run_gpg(key.home, [*words, "--detach-sign", str(path)])
    return signature


def _run_gpg(home: Path, words: Sequence[str]) -> bytes:
    command = ["gpg", "--batch", "--quiet", "--pinentry-mode=loopback", *words]
    try:
        return subprocess.run(
            command, env=_environment(home), check=True, capture_output=True
        ).stdout
    finally:
        _end_agent(home)


def _environment(home: Path) -> dict[str, str]:
    own = {"HOME": str(home), "GNUPGHOME": str(home)}
    return own | {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def _end_agent(home: Path) -> None:
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=_environment(home), check=True)

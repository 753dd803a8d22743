"""Shows packages to a deployment's keys, for tests of signatures."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pkglayer.model.errors import SignatureError
from pkglayer.system import keyring, rpmlib
from pkglayer.system.keyring import SignatureReport, check_rpm, load_keyring
from tests.support.keys import GpgKey

DIRECTORY = "etc/pki/rpm-gpg"


def trust(root: Path, key: GpgKey, name: str = "") -> None:
    path = root / DIRECTORY / (name or key.public.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(key.public, path)


def check(path: Path, root: Path, gpgkeys: tuple[str, ...] = ()) -> SignatureReport:
    with path.open("rb") as file:
        return check_rpm(file, path.name, load_keyring(root, gpgkeys), source="r")


def refused(path: Path, root: Path, gpgkeys: tuple[str, ...] = ()) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        check(path, root, gpgkeys)
    return caught.value


def gpg(key: GpgKey, *words: str, text: str = "") -> str:
    return subprocess.run(
        ["gpg", "--batch", "--pinentry-mode=loopback", "--passphrase=", *words],
        env={"HOME": str(key.home), "GNUPGHOME": str(key.home), "PATH": os.environ["PATH"]},
        input=text,
        text=True,
        check=True,
        capture_output=True,
    ).stdout


def signature_packet(path: Path) -> bytes:
    with path.open("rb") as file:
        head = rpmlib.read_head(file)
    tags = dict(keyring._signature_tags(head))
    return tags[268]

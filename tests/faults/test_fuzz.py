"""Whatever bytes come: what we parse ourselves answers with a value or with a PkglayerError.

FUZZ_EXAMPLES says how many inputs each test makes; `make fuzz` makes many.
"""

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pkglayer.model.errors import PkglayerError
from pkglayer.model.layer import parse_layer
from pkglayer.model.openpgp import parse_keys, parse_signature
from pkglayer.model.record import from_json
from pkglayer.model.request import from_origin, parse_spec, to_origin
from pkglayer.model.settings import parse_settings
from pkglayer.system import rpmlib
from tests.support.forge import UNCOMPRESSED
from tests.support.rpms import Entry, build_rpm
from tests.support.trees import DIR, Hardlink, Link, Node

bounded = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "80")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_LINES = ("packages = ['a']", "packages = 3", "[packages]", "recommends = ", "x.y = '''", "\\u0000")
_TOML = st.text() | st.lists(st.sampled_from(_LINES) | st.text(max_size=20)).map("\n".join)


@bounded
@given(_TOML)
@example("a = " + "[" * 5000)
@example("a." * 5000 + "a = 1")
def test_layer_files(text: str) -> None:
    with contextlib.suppress(PkglayerError):
        assert parse_layer(text, "a.toml").packages


@bounded
@given(_TOML)
@example("a = " + "[" * 5000)
@example("a." * 5000 + "a = 1")
def test_settings(text: str) -> None:
    with contextlib.suppress(PkglayerError):
        parse_settings(text)


@bounded
@given(st.text())
@example("-rf")
@example("--root=/")
@example("a;reboot")
@example("\x1b]0;x\x07")
def test_specs(text: str) -> None:
    with contextlib.suppress(PkglayerError):
        want = parse_spec(text)
        assert want.spec == text.strip()
        assert all(ord(c) >= 32 for c in want.spec)


@bounded
@given(JSON | st.text())
def test_origins(value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    with contextlib.suppress(PkglayerError):
        request = from_origin("r:b", {"version": "1", "requests": text})
        assert from_origin("r:b", to_origin(request)) == request


@bounded
@given(JSON | st.text())
@example("[" * 100_000)
def test_records(value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    with contextlib.suppress(PkglayerError):
        from_json(text)


@bounded
@given(st.dictionaries(st.sampled_from(["version", "plan", "digest", "notes"]), JSON))
def test_records_of_the_right_version(data: dict[str, object]) -> None:
    with contextlib.suppress(PkglayerError):
        from_json(json.dumps({**data, "version": 1}))


@bounded
@given(st.binary(max_size=400))
@example(b"\x99\x00\x02\x04\x00")
@example(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!!\n=AAAA\n")
def test_openpgp(data: bytes) -> None:
    for parse in (parse_keys, parse_signature):
        with contextlib.suppress(ValueError):
            parse(data)


@pytest.fixture(scope="module")
def rpm_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A package with a bit of everything."""
    tmp = tmp_path_factory.mktemp("fuzz")
    files: dict[str, Node | Entry] = {"usr/f": "content\n" * 99, "usr/l": Link("f")}
    files["usr/h"] = Hardlink("usr/f")
    scripts = {"post": "echo x", "pre": "echo y"}
    return build_rpm(tmp, "x", files=files, scripts=scripts).read_bytes()


@bounded
@given(data=st.data())
def test_rpm_files(rpm_bytes: bytes, data: st.DataObject) -> None:
    """Bytes are overwritten, cut off or inserted; the walk ends with an answer, never a crash."""
    changed = bytearray(rpm_bytes)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    _walk(bytes(changed[: data.draw(st.integers(0, len(changed)) | st.just(len(changed)))]))


@pytest.fixture(scope="module")
def plain_rpm(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    """The same with a payload that no compression guards, and where that begins."""
    tmp = tmp_path_factory.mktemp("plain")
    files: dict[str, Node | Entry] = {"usr/f": "content\n", "usr/l": Link("f"), "usr/d": DIR}
    files["usr/h"] = Hardlink("usr/f")
    content = build_rpm(tmp, "x", files=files, macros=UNCOMPRESSED).read_bytes()
    return content, content.index(b"0707")


@bounded
@given(data=st.data())
def test_payloads(plain_rpm: tuple[bytes, int], data: st.DataObject) -> None:
    """The archive alone is damaged: sizes, counts, names and magic numbers of its entries."""
    content, start = plain_rpm
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(start, len(changed) - 9))
        new = data.draw(st.sampled_from([b"FFFFFFFF", b"00000000", b"07070X", b"../../..", b"\0"]))
        changed[place : place + len(new)] = new
    _walk(bytes(changed[: data.draw(st.integers(start, len(changed)) | st.just(len(changed)))]))


def _walk(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        with contextlib.suppress(PkglayerError), Path(file.name).open("rb") as source:
            head = rpmlib.read_head(source)
            rpmlib.read_header(head)
            for _path, chunks in rpmlib.read_payload(source, head):
                for chunk in chunks or ():
                    assert len(chunk) <= rpmlib.CHUNK


@pytest.mark.parametrize("read", [rpmlib.read_head], ids=["head"])
def test_files_that_are_too_short(
    read: Callable[[io.BufferedReader], bytes], tmp_path: Path
) -> None:
    for size in (0, 1, 95, 96, 111):
        path = tmp_path / "short"
        path.write_bytes(b"\xed\xab\xee\xdb".ljust(size, b"\0")[:size])
        with path.open("rb") as file, pytest.raises(PkglayerError, match="not an RPM package"):
            read(file)

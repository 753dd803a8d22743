"""Two at once, and Ctrl-C: one waits or is refused and told who holds the lock; nothing half done.

Signals at each point of a run are the sweep's; here they come while something is waited for.
"""

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.cli import (
    clean_environment,
    query_pkglayer,
    read_until,
    run_pkglayer,
    start_pkglayer,
)
from tests.support.ostree import run_ostree
from tests.support.repos import repo_file
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, find_leftovers, make_scene, take_snapshot
from tests.support.servers import Server

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`slow` has a scriptlet that says `started` and then takes its time."""
    tmp = tmp_path_factory.mktemp("locks")
    rpms = [
        build_rpm(tmp, "foo", files={"usr/share/foo": "x"}),
        build_rpm(tmp, "slow", scripts={"post": "echo started; sleep 60"}),
    ]
    return make_scene(tmp, rpms)


@contextmanager
def held(scene: Scene) -> Iterator[Callable[[], None]]:
    """This process holds the lock, until the function that the body gets is called."""
    with (scene.sysroot / "ostree/lock").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield lambda: fcntl.lockf(file, fcntl.LOCK_UN)


def test_the_second_is_refused_and_told_who_was_first(scene: Scene) -> None:
    with start_pkglayer("install", "slow", sysroot=scene.sysroot) as first:
        read_until(first, "started")
        done = scene.run("install", "foo", "--json", check=False)
        assert done.returncode == 10
        assert f"process {first.pid} (" in done.stderr
        assert "install slow" in done.stderr
        assert "since 0 minutes" in done.stderr
        assert "--wait" in done.stderr
        assert f"process {first.pid} (" in json.loads(done.stdout)["error"]["holder"]
        scene.run("status")
        first.send_signal(signal.SIGINT)
        assert first.wait(30) == 130
    scene.run("install", "foo")


def test_one_that_waits_says_for_whom_and_goes_on(scene: Scene) -> None:
    with (
        held(scene) as release,
        start_pkglayer("install", "foo", "--wait", sysroot=scene.sysroot) as second,
    ):
        said = read_until(second, "waiting")
        assert f"waiting: the system is being changed by process {os.getpid()} (" in said
        time.sleep(0.5)
        assert second.poll() is None
        release()
        assert second.wait(60) == 0
    assert "foo-1-1" in scene.packages


@pytest.mark.parametrize("number", SIGNALS)
def test_waiting_can_be_ended(scene: Scene, number: signal.Signals) -> None:
    before = take_snapshot(scene.sysroot)
    with (
        held(scene),
        start_pkglayer("install", "foo", "--wait", sysroot=scene.sysroot) as second,
    ):
        read_until(second, "waiting")
        second.send_signal(number)
        assert second.stdout is not None
        rest = second.stdout.read()
        assert "interrupted; the system is as before" in rest
        assert "Traceback" not in rest
        assert second.wait(60) == 128 + number
    assert take_snapshot(scene.sysroot) == before


def test_a_note_of_a_killed_run_names_nobody(scene: Scene) -> None:
    with start_pkglayer("install", "slow", sysroot=scene.sysroot) as first:
        read_until(first, "started")
        first.kill()
    note = scene.sysroot / "ostree/pkglayer/holder"
    assert str(first.pid) in note.read_text()
    # Its number is another process's by now.
    note.write_text(json.dumps({"pid": os.getppid(), "command": ["lie"], "since": 0}))
    with held(scene):
        message = scene.refuse("install", "foo", code=10)
    assert "lie" not in message
    assert f"process {os.getpid()} (" in message
    scene.run("install", "foo")


def test_a_lock_file_without_a_holder_is_no_lock(scene: Scene) -> None:
    (scene.sysroot / "ostree/lock").write_text("12345\n")
    scene.run("install", "foo")


def test_ostree_waits_for_us(scene: Scene) -> None:
    base = scene.update_base("2")
    words = ["ostree", "admin", "upgrade", f"--sysroot={scene.sysroot}", "--os=test"]
    with start_pkglayer("install", "slow", sysroot=scene.sysroot) as first:
        read_until(first, "started")
        with subprocess.Popen(words, env=clean_environment(), stdout=subprocess.DEVNULL) as other:
            time.sleep(1)
            assert other.poll() is None, "it did not wait"
            assert len(scene.states) == 1
            first.send_signal(signal.SIGTERM)
            assert first.wait(30) == 143
            assert other.wait(60) == 0
    assert scene.next.checksum == base.commit
    scene.run("install", "foo")
    assert query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]["base"]["commit"] == (
        base.commit
    )


def test_we_are_refused_while_ostree_upgrades(scene: Scene, server: Server) -> None:
    follow(scene, f"{server.url}/base-repo")
    base = scene.update_base("2", {"usr/share/noise": os.urandom(100_000)})
    server.fail("/base-repo/objects", bytes_per_second=20)
    words = ["ostree", "admin", "upgrade", f"--sysroot={scene.sysroot}", "--os=test"]
    with subprocess.Popen(words, env=clean_environment(), stdout=subprocess.DEVNULL) as other:
        wait_for(server, "/base-repo/objects")
        message = scene.refuse("install", "foo", code=10)
        assert f"by process {other.pid} (ostree admin upgrade" in message
        other.kill()
    server.heal()
    subprocess.run(words, env=clean_environment(), check=True, stdout=subprocess.DEVNULL)
    scene.run("install", "foo")
    assert query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]["base"]["commit"] == (
        base.commit
    )


def follow(scene: Scene, url: str) -> None:
    """Let the base come from there."""
    repo = f"--repo={scene.sysroot}/ostree/repo"
    run_ostree("config", repo, "set", 'remote "origin".url', url)


def wait_for(server: Server, prefix: str) -> None:
    """Until somebody asked for something under that path."""
    deadline = time.monotonic() + 60
    while not any(path.startswith(prefix) for path in server.paths()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("again", [0, 2])
def test_interrupted_in_a_scriptlet(scene: Scene, number: signal.Signals, again: int) -> None:
    before = take_snapshot(scene.sysroot)
    with start_pkglayer("install", "slow", "foo", sysroot=scene.sysroot) as running:
        read_until(running, "started")
        running.send_signal(number)
        for _ in range(again):
            time.sleep(0.02)
            running.send_signal(signal.SIGINT)
        rest = running.stdout.read() if running.stdout else ""
        assert running.wait(30) == 128 + number
    assert "Traceback" not in rest
    assert "the system is as before" in rest
    assert take_snapshot(scene.sysroot) == before
    assert find_leftovers(scene.sysroot) == []
    assert query_pkglayer("history", sysroot=scene.sysroot)["entries"][0]["outcome"] == "failed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("prefix", ["/repo/repodata/primary", "/repo/big", "/base-repo/objects"])
def test_interrupted_while_a_server_is_slow(
    scene: Scene, server: Server, prefix: str, number: signal.Signals
) -> None:
    big = build_rpm(scene.tmp, "big", files={"usr/share/big": os.urandom(200_000)})
    scene.publish(big)
    follow(scene, f"{server.url}/base-repo")
    scene.configure(repo_file("test", f"{server.url}/repo"))
    scene.update_base("2", {"usr/share/noise": os.urandom(200_000)})
    before = take_snapshot(scene.sysroot)
    server.fail(prefix, bytes_per_second=20)
    words = ["upgrade"] if "base" in prefix else ["install", "big"]
    with start_pkglayer(*words, sysroot=scene.sysroot) as running:
        wait_for(server, prefix)
        running.send_signal(number)
        time.sleep(0.02)
        running.send_signal(number)
        try:
            assert running.wait(60) == 128 + number
        finally:
            running.kill()
    assert take_snapshot(scene.sysroot) == before
    server.heal()
    scene.run(*words)


@pytest.mark.parametrize("words", [["--help"], ["status"], ["history"]])
def test_a_reader_needs_no_lock(scene: Scene, words: list[str]) -> None:
    with held(scene):
        run_pkglayer(*words, sysroot=scene.sysroot if words != ["--help"] else None)

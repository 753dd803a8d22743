"""Labels by the distribution's own policy, compiled by a scriptlet, and what matchpathcon says."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.oracle.bases import world_base
from tests.support import selinux, world
from tests.support.cli import run_pkglayer
from tests.support.ostree import make_sysroot
from tests.support.repos import make_repo, repo_file
from tests.support.witness import DeployedTree, deployments

pytestmark = [pytest.mark.realworld]
LIBOSTREES_OWN = {"/proc"}
"""Which libostree labels as /mnt, for the time before it is mounted."""


@dataclass(frozen=True)
class Layered:
    """A state with the policy and a package, on a base without a policy."""

    repo: Path
    state: DeployedTree


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layered]:
    tmp = tmp_path_factory.mktemp("selinux")
    try:
        small, policy = world.build("small"), selinux.build_policy(tmp / "rpms")
    except world.WorldError as e:
        pytest.skip(str(e))
    repo = make_repo(tmp / "repo", policy)
    sysroot = make_sysroot(tmp, world_base(tmp, small))
    file = deployments(sysroot)[0].path / "etc/yum.repos.d/test.repo"
    file.parent.mkdir(exist_ok=True)
    file.write_text(repo_file("policy", repo) + repo_file("small", small.repo_v1))
    run_pkglayer("install", "policy-compiled", "tmux", sysroot=sysroot)
    yield Layered(sysroot / "ostree/repo", deployments(sysroot)[0])
    shutil.rmtree(tmp)


def test_every_label_is_what_the_policy_says(layered: Layered) -> None:
    labels = selinux.read_labels(layered.repo, layered.state.checksum)
    kinds = {path: kind for path, (kind, _) in labels.items()}
    expected = selinux.expected_labels(layered.state.path, kinds)
    pairs = {path: (label, expected[path]) for path, (_, label) in labels.items()}
    assert {path for path, (ours, its) in pairs.items() if ours != its} == LIBOSTREES_OWN
    assert len(labels) > 5000
    assert labels["/usr/bin/tmux"][1] == "system_u:object_r:screen_exec_t:s0"
    assert labels["/etc/shadow"][1] == "system_u:object_r:shadow_t:s0"

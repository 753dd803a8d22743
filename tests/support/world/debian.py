"""The world's packages from Debian: apt plans and downloads, every .deb becomes an RPM."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.world import changes, handmade
from tests.support.world.apt import Apt, download
from tests.support.world.convert import Conversion, convert_all, read_base_file
from tests.support.world.model import Packages, Plan, Profile, WorldError
from tests.support.world.relations import Universe

Say = Callable[[str], None]

_SITE = "usr/lib/python3/dist-packages"


@dataclass(frozen=True)
class _Sources:
    """What apt brought, and the two versions' directories for the RPMs."""

    plan: Plan
    debs: Path
    profile: Profile
    repo_v1: Path
    repo_v2: Path


def make_packages(profile: Profile, cache: Path, work: Path, say: Say) -> Packages:
    """RPMs in `work`/repo-v1 and repo-v2; downloads stay in `cache`."""
    plan = _plan_and_download(profile, cache, say)
    sources = _Sources(plan, cache / "debs", profile, work / "repo-v1", work / "repo-v2")
    change = changes.plan_changes(plan)
    how = _first_conversion(sources)
    say(f"converting {len(plan.debs)} packages")
    v1 = convert_all(plan.debs.values(), how) | _handmade_v1(sources, how)
    say(f"rebuilding {len(change.rebuilt)} for the second version")
    v2 = _second_version(sources, how, change, v1)
    own = _own_names(profile)
    return Packages(
        v1=v1,
        v2=v2,
        base_v1=(*plan.base, *own, "world-v1only"),
        base_v2=(*change.base, *own),
        layers=plan.layers,
        first=("world-filesystem",),
    )


def _plan_and_download(profile: Profile, cache: Path, say: Say) -> Plan:
    apt = Apt(cache / "apt")
    plan = apt.plan(profile)
    try:
        _download(plan, cache, say)
    except WorldError:
        # Lists that are some days old name versions that the archive no longer has.
        say("refreshing the package lists")
        apt.refresh()
        plan = apt.plan(profile)
        _download(plan, cache, say)
    return plan


def _download(plan: Plan, cache: Path, say: Say) -> None:
    debs = plan.debs.values()
    say(f"fetching {len(debs)} packages, {sum(deb.size for deb in debs) // 1_000_000} MB")
    download(debs, cache / "debs")


def _first_conversion(sources: _Sources) -> Conversion:
    debs = sources.plan.debs
    passwd, group = _account_lists(sources)
    return Conversion(
        debs=sources.debs,
        out=sources.repo_v1,
        universe=Universe.of(debs.values(), dict.fromkeys(debs, "w1")),
        accounts=handmade.parse_accounts(passwd, group),
        extra_preamble={},
    )


def _account_lists(sources: _Sources) -> tuple[str, str]:
    deb = sources.debs / sources.plan.debs["base-passwd"].file_name
    directory = "usr/share/base-passwd"
    return (
        read_base_file(deb, f"{directory}/passwd.master"),
        read_base_file(deb, f"{directory}/group.master"),
    )


def _own_names(profile: Profile) -> tuple[str, ...]:
    booting = ("world-testhook", "world-python") if profile.boots else ("world-kernel",)
    return ("world-filesystem", "world-setup", *booting)


def _handmade_v1(sources: _Sources, how: Conversion) -> dict[str, Path]:
    rpms = [
        handmade.filesystem(*_account_lists(sources)),
        handmade.setup(how.accounts, 1),
        handmade.only_in_v1(),
    ]
    if sources.profile.boots:
        rpms += [
            handmade.test_hook(),
            handmade.python_packages(handmade.project_dependencies(), _SITE),
        ]
    else:
        rpms.append(handmade.placeholder_kernel())
    return {rpm.name: rpm.build("1.w1", sources.repo_v1) for rpm in rpms}


def _second_version(
    sources: _Sources, how: Conversion, change: changes.Changes, v1: Mapping[str, Path]
) -> dict[str, Path]:
    debs = sources.plan.debs
    again = replace(
        how,
        out=sources.repo_v2,
        universe=Universe.of(debs.values(), change.tags(debs)),
        extra_preamble=changes.NEW_CONFLICT,
        rebuilt_tag="w2",
    )
    rebuilt = convert_all((debs[name] for name in change.rebuilt), again)
    old_name, new_name = changes.RENAMED
    jq = handmade.renamed_jq(sources.debs / debs[old_name].file_name)
    setup = handmade.setup(how.accounts, 2)
    rebuilt |= {
        new_name: jq.build("1.w2", sources.repo_v2),
        setup.name: setup.build("1.w2", sources.repo_v2),
    }
    left = v1.keys() - rebuilt.keys() - {old_name, "world-v1only"}
    return rebuilt | {name: _link(v1[name], sources.repo_v2) for name in left}


def _link(rpm: Path, directory: Path) -> Path:
    target = directory / rpm.name
    target.hardlink_to(rpm)
    return target

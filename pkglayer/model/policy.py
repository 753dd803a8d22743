"""What happens to a request that cannot be had: fail, hold or skip; and what stands since when.

`Rules.of(want)` is the one place that decides; `Standing` is what a machine remembers between two
runs: since when the base is held back and requests are skipped, and which packages came by a later
step than the newest version. Nothing is solved or written here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pkglayer.model.errors import PkglayerError, StateError, UsageError
from pkglayer.model.plan import STEPS, Base, Fallback, Plan, Skipped
from pkglayer.model.request import FAIL, HOLD, POLICIES, SKIP, Want

if TYPE_CHECKING:
    from pkglayer.model.explain import Trouble

MEANING = {
    FAIL: "stop and change nothing",
    HOLD: "keep the last good base and layer, and try again next time",
    SKIP: "go on without this request and what only it needs, and try again next time",
}
STANDING_VERSION = 1
_YEAR_9999 = 253_370_764_800
DAY = 86400


def check_policy(text: str) -> str:
    """A policy's name as typed; raises UsageError for another word."""
    if text not in POLICIES:
        raise UsageError(
            f"'{text}' is no conflict policy",
            hint="; ".join(f"{name}: {MEANING[name]}" for name in POLICIES),
        )
    return text


def key_of(want: Want) -> tuple[str, str]:
    """What makes a request the same one although its options changed."""
    spec = f"{want.kind} {want.spec} {want.repo}" if want.is_override else want.spec
    return spec, want.source


@dataclass(frozen=True)
class Rules:
    """Which policy counts for a request.

    `default` is for requests that say nothing; `repositories` has the policy of some repositories
    by id, `sources` the repositories that each spec's packages come from; `fresh` are the requests
    that a person makes right now, `skipped` those that are left out already, both by `key_of`.
    """

    default: str = FAIL
    repositories: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fresh: frozenset[tuple[str, str]] = frozenset()
    skipped: frozenset[tuple[str, str]] = frozenset()
    skip_broken: bool = False

    def of(self, want: Want) -> str:
        """The policy for one request that cannot be had."""
        if self.skip_broken:
            return SKIP
        if want.on_conflict:
            return want.on_conflict
        if key_of(want) in self.fresh:
            return FAIL
        if key_of(want) in self.skipped:
            return SKIP
        of_repositories = [
            self.repositories[r] for r in self.sources.get(want.spec, ()) if r in self.repositories
        ]
        return min(of_repositories, key=POLICIES.index, default=self.default)

    def rank(self, want: Want) -> tuple[int, int, str]:
        """Order in which requests are tried: of two that do not go together, the later yields."""
        late = 2 if key_of(want) in self.fresh else 1 if key_of(want) in self.skipped else 0
        return late, POLICIES.index(self.of(want)), want.spec


class Held(PkglayerError):
    """The base stays as it is for the sake of requests; `troubles` say which and why."""

    exit_code = 15
    kind = "held"

    def __init__(self, base: Base, troubles: Sequence["Trouble"]) -> None:
        self.base, self.troubles = base, tuple(troubles)
        specs = ", ".join(t.want.spec for t in troubles)
        super().__init__(
            f"the base {base.version or base.commit[:12]} is held back for {specs}: "
            + "; ".join(t.sentence for t in troubles),
            hint="to go on without: pkglayer upgrade --skip-broken",
        )


@dataclass(frozen=True)
class Hold:
    """The base is held back: since when (seconds since 1970), which base waits, and for what."""

    since: int
    base: Base
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class Standing:
    """What goes on between runs; `skipped` maps each skipped spec to since when it is; `fallbacks`
    are those of the newest state."""

    hold: Hold | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    fallbacks: tuple[Fallback, ...] = ()


def hold_on(standing: Standing, held: Held, now: int) -> Standing:
    """The base is held (again); the first time counts, whichever base waits."""
    since = standing.hold.since if standing.hold else now
    reasons = {t.want.spec: t.sentence for t in held.troubles}
    return replace(standing, hold=Hold(since, held.base, reasons))


def move_on(
    standing: Standing,
    skipped: Sequence[str],
    now: int,
    *,
    moved: bool,
    fallbacks: Sequence[Fallback] = (),
) -> Standing:
    """A state was planned and made; a hold ends when the base `moved`."""
    since = {spec: standing.skipped.get(spec, now) for spec in skipped}
    return Standing(None if moved else standing.hold, since, tuple(fallbacks))


def join_fallbacks(before: Sequence[Fallback], plan: Plan) -> tuple[Fallback, ...]:
    """The plan's, and those from `before` of packages that stayed as they were."""
    new = {f.nevra: f for f in plan.fallbacks}
    there = {str(p.nevra) for p in plan.packages}
    kept = {f.nevra: f for f in before if f.nevra in there}
    return tuple(sorted({**kept, **new}.values(), key=lambda f: f.nevra))


def fallback_words(fallback: Fallback) -> str:
    """The step and why, in one line."""
    return f"{fallback.nevra} is {STEPS[fallback.how]}: {fallback.why}"


def notices(standing: Standing, max_hold: int, now: int, day: Mapping[int, str]) -> list[str]:
    """Sentences for `status`; `max_hold` in days; `day` gives each moment's date as text."""
    texts = []
    if hold := standing.hold:
        days = max(0, now - hold.since) // DAY
        names = "; ".join(hold.reasons.values())
        loud = ""
        if days > max_hold:
            loud = f"WARNING: longer than the {max_hold} days that max-hold allows, "
            loud += "security updates of the base included: "
        texts.append(
            f"{loud}The base is held back since {day[hold.since]} ({days} days); "
            f"{hold.base.version or hold.base.commit[:12]} waits. {names}. "
            "To go on without: pkglayer upgrade --skip-broken"
        )
    texts += [f"Skipped since {day[t]}: {spec}" for spec, t in sorted(standing.skipped.items())]
    return texts + [fallback_words(f) for f in standing.fallbacks]


def is_overdue(standing: Standing, max_hold: int, now: int) -> bool:
    """Whether the base is held back for longer than allowed."""
    return standing.hold is not None and now - standing.hold.since > max_hold * DAY


def skipped_requests(plan: Plan) -> list[Skipped]:
    """The requests that are left out; members of groups are no requests."""
    return [s for s in plan.skipped if s.want in plan.request.wants]


def standing_json(standing: Standing) -> dict[str, Any]:
    """As JSON values, for the state file and for programs."""
    return {"version": STANDING_VERSION, **asdict(standing)}


def standing_from(data: Mapping[str, Any]) -> Standing:
    """Read it back; raises StateError for what is not ours."""
    try:
        if data["version"] != STANDING_VERSION:
            raise ValueError(f"version {data['version']}")
        hold = data["hold"]
        return Standing(
            _to_hold(hold) if hold else None,
            {str(k): _to_moment(v) for k, v in data["skipped"].items()},
            tuple(_to_fallback(row) for row in data.get("fallbacks", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as e:
        raise StateError(f"what stands between runs cannot be read: {e}") from e


def _to_hold(row: Mapping[str, Any]) -> Hold:
    return Hold(_to_moment(row["since"]), Base(**row["base"]), dict(row["reasons"]))


def _to_moment(value: Any) -> int:
    seconds = int(value)
    if not 0 <= seconds < _YEAR_9999:
        raise ValueError(f"no time: {seconds}")
    return seconds


def _to_fallback(row: Mapping[str, Any]) -> Fallback:
    found = Fallback(**{**row, "requests": tuple(row["requests"])})
    if found.how not in STEPS:
        raise ValueError(f"unknown step {found.how!r}")
    return found

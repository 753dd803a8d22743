"""The last forecast as it lies on the disk, for `status`; kept apart so that reading it is quick.

What a forecast is and how one is made is `forecast`'s.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pkglayer.engine.session import Session
from pkglayer.model.errors import StateError
from pkglayer.model.space import HINT
from pkglayer.system.statefiles import read_state

CLEAR, SKIPPED, HELD, BLOCKED, NOTHING = ("clear", "skipped", "held", "blocked", "nothing")
EXIT_CODES: Mapping[str, int] = {CLEAR: 0, SKIPPED: 20, HELD: 21, BLOCKED: 22, NOTHING: 77}
"""What `--watch-exit-code` answers with."""


def forecast_path(session: Session) -> Path:
    """Where the last forecast of this stateroot is kept."""
    return session.sysroot.state_dir / "lib/pkglayer/forecast.json"


def forecast_notices(session: Session) -> list[str]:
    """What `status` says of the last forecast: only what is not clear, and only while it counts."""
    with suppress(StateError, KeyError, TypeError, ValueError, OverflowError, OSError):
        data = read_state(forecast_path(session))
        if not data or (data["verdict"] in (CLEAR, NOTHING) and data["space"]["fits"]):
            return []
        if data["current"]["commit"] != session.sysroot.newest.base.commit:
            return []
        day = datetime.fromtimestamp(data["time"], UTC).strftime("%Y-%m-%d")
        base = data["base"]["version"] or data["base"]["commit"][:12]
        rows = [f for f in data["fates"] if f["what"] in (SKIPPED, HELD, BLOCKED)]
        texts = [f"{f['spec']} would be {f['what']}: {f['text']}" for f in rows]
        full = [r["mount"] for r in data["space"]["rooms"] if not r["fits"]]
        texts += [f"it does not fit on {', '.join(full)}; {HINT}"] if full else []
        return [f"Forecast of {day} for the base {base}: {'; '.join(texts)}"]
    return []

"""What was done when, by whom and how: one entry for each change that was tried.

History is only looked at; nothing but taking a change back reads from it what was asked for.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class HistoryEntry:
    """One change.

    `time` in seconds since 1970 (UTC); `user` and `uid` of whoever asked, through sudo as well;
    `command` is the command line, ready to paste; `before` and `after` are the commits that were
    and are the next boot; `digest` is the plan's; `outcome` is `done`, `unchanged` or `failed`;
    `message` says why it failed or what was special; `comment` is why somebody wanted it, in their
    words; `changes` is what was asked for in another way (`model.wish` reads it), empty where that
    is not known; `takes_back` is the number of the change that this one took back, 0 for none;
    `number` counts from 1 and is given by the database.
    """

    time: int
    user: str
    uid: int
    command: str
    before: str
    after: str
    digest: str = ""
    outcome: str = "done"
    message: str = ""
    comment: str = ""
    changes: str = ""
    takes_back: int = 0
    number: int = 0

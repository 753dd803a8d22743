"""Makes librpm believe in a package database at a given path, for as long as a block runs.

`database_path(dbpath)` is for readers that open the database by librpm's own configuration, as
libsolv does. A private home (see `rpmhome`) only counts when librpm reads its macros, and libdnf
may have made it do so long before: so they are read again explicitly, and once more afterwards.
Macros added with `rpm.addMacro` outside do not survive that.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import rpm

from pkglayer.system.rpmhome import private_home


@contextmanager
def database_path(dbpath: str) -> Iterator[None]:
    """Let `%_dbpath` be `dbpath` (as seen from the root that is opened) inside the block."""
    try:
        with private_home(dbpath):
            rpm.reloadConfig()
            yield
    finally:
        rpm.reloadConfig()

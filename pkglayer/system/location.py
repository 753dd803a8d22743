"""Where a repository says that a package lies: an address, or a path below the repository's own."""

from urllib.parse import unquote, urlsplit

from pkglayer.model.errors import RepositoryError
from pkglayer.model.package import Package
from pkglayer.system.rpmmd import Repository


def check_location(package: Package, repository: Repository) -> tuple[str, str]:
    """Split into base address (empty for the repository's own) and path, and distrust both.

    Raises RepositoryError for what leads out of the repository or is no address.
    """
    text = package.location
    shown = text[:80].encode("unicode_escape").decode()
    parts = urlsplit(text if len(text) <= 4096 else "")
    path = unquote(unquote(parts.path))
    if (
        not path
        or ".." in path.split("/")
        or (path.startswith("/") and not parts.scheme)
        or any(ord(c) < 32 or ord(c) == 127 for c in unquote(unquote(text)))
        or (parts.scheme == "file" and not repository.local)
        or parts.scheme not in {"", "http", "https", "ftp", "file"}
    ):
        raise RepositoryError(
            f"repository {repository.id} names an unacceptable place for {package.nevra}: "
            f"'{shown}'",
            hint=f"tell its owner; leave it out with --disablerepo={repository.id}",
            data={"repository": repository.id, "location": shown},
        )
    if not parts.scheme:
        return "", text
    base, _, name = text.rpartition("/")
    return base, name

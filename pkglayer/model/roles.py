"""What a deployment is to the machine, by its place among those of its stateroot."""

ROLES = ("booted", "pending", "rollback")


def role_of(index: int, running: int | None) -> str:
    """The role of the deployment `index`, where 0 is the next boot.

    `running` is the index of the one that runs: None on a sysroot that is not booted, -1 where
    one of another stateroot runs.
    """
    if running is None:
        return "rollback" if index else "pending"
    if index == running:
        return "booted"
    return "pending" if index < running else "rollback"

"""Roles follow from the place of what runs."""

import pytest

from pkglayer.model.roles import role_of


@pytest.mark.parametrize(
    ("running", "roles"),
    [
        (None, ["pending", "rollback", "rollback"]),
        (-1, ["rollback", "rollback", "rollback"]),
        (0, ["booted", "rollback", "rollback"]),
        (1, ["pending", "booted", "rollback"]),
        (2, ["pending", "pending", "booted"]),
    ],
)
def test_roles_of_three_deployments(running: int | None, roles: list[str]) -> None:
    assert [role_of(index, running) for index in range(3)] == roles

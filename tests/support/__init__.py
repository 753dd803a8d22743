"""Builders for tests: trees, packages, repositories, bases, servers. README.md lists them."""

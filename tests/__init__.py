"""Tests of pkglayer; a package so that `tests.support` can be imported from anywhere."""

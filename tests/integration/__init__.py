"""Tests with real libostree, librpm and libdnf in temporary directories."""

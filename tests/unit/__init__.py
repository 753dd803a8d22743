"""Tests of pure code and of the source itself: no root, no network, seconds."""

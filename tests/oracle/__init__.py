"""The oracle: a layer built by pkglayer beside the same packages installed by rpm itself.

`python -m tests.oracle` runs all of it; every difference needs a row of `rows.py`, with a reason.
"""

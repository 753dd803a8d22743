"""Proofs that nothing is lost and nobody is let in: kills, failing calls, hostile input.

`python -m tests.faults` runs the full sweep; pytest runs samples of it. README.md says how.
"""

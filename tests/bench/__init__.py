"""Measurements: whole commands beside the same work done by hand; `make bench` runs them."""

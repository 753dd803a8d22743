"""A simulated year: text repositories, the real solver, nothing built."""

"""Layer RPM packages on an immutable OSTree base.

This package holds no code at its top: `__main__` starts the program, `engine` is the pipeline.
"""

__version__ = "0.1.0"

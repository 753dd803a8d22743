"""The command line: read arguments, call the engine, render what comes back."""

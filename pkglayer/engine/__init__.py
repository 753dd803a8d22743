"""The engine: the pipeline and the verbs that drive it, between the command line and the stages."""

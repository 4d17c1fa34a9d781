"""The command line: one module for each command; `console` is the only place that prints."""

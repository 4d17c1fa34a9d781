"""Telling people what happened: which messages a journal gives, and sending them. Never in the way of a run."""

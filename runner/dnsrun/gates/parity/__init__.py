"""Gate `parity`: both hosts serve what the new one is to serve, at every server, name and type."""

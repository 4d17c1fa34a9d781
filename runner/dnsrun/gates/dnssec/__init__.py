"""Gate `dnssec`: with a DS at the parent every server is signed with a key that it points to (S0)."""

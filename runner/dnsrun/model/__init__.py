"""Frozen values that everything else speaks in: RRsets, zones, playbooks, plans, journal entries. No I/O."""

"""A whole migration played beforehand: the playbook's own steps, gates and engine in a world on loopback.

Only the ports are others: a clock that jumps, servers in this process, hands that write to them after a delay, and
users behind caching resolvers who meet every second of it.
"""

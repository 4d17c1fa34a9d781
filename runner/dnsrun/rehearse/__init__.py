"""Loopback stand-ins for the DNS: an authoritative server with fault hooks and a caching resolver.

Demo, rehearsal and the quick tests run on these. They speak the real protocols over real sockets
(the server) or real messages (the resolver), so that nothing above them knows the difference.
"""

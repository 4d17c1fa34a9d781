"""dnsrun: declarative DNS migrations in phases, verified, that roll back by themselves."""

__version__ = "0.1.0"

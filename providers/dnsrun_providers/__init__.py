"""Providers that ship with dnsrun: what wraps a DNS host, a registrar or a person at a panel."""

"""Ready-made playbooks, shipped as package data and printed by `dnsrun schema --example NAME`."""

"""`python -m dnsrun`: the command."""

from dnsrun.cli.main import main

main()

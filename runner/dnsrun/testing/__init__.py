"""What plugin authors test their providers with: `dnsrun.testing.contract.ProviderContract`."""

"""What plugin authors test with: `contract.ProviderContract` for hosts, `registrar.RegistrarContract`."""

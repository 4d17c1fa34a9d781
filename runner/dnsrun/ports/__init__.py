"""The seams: what the engine needs of providers, the network, gates, the journal and the clock, as protocols."""

"""Gate `delegation`: the parent delegates as it should, and the servers it delegates to are fit for it."""

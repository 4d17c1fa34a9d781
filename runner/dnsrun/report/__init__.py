"""The report on a run: what happened, why, how it is kept from happening again, what the procedure is."""

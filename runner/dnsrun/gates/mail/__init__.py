"""Gates that speak the protocols of mail: receiving, sending, reading."""

"""Gates that speak the protocols of mail: receiving, sending, reading; and gates of its policy: SPF, DKIM, DMARC."""

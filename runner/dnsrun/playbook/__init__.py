"""From the text of a playbook to a checked `Playbook`: tree with marks, schema, rules. No network."""

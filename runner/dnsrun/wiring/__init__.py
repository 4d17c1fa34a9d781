"""What connects the engine to this machine: project folder, plugins, secrets, consent, and the ports they make."""

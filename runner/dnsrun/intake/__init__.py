"""From a domain's name to a playbook worth running: what servers tell, and what people must be asked."""

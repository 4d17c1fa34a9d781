"""Planning: from playbook, captured zone and journal to acts and moves. Pure: no socket, no clock, no file."""

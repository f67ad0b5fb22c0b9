"""Methods that agents and simulations call."""

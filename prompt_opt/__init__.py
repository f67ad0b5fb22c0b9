"""Search over prompts: reserved for the optimizers; nothing lives here yet."""

"""Where new prompts come from, one operator or source per file."""

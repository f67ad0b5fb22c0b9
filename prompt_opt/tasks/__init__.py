"""What can be optimized, one task per file. `open_task` finds one by name."""

"""DSPy: programs as tasks, our optimizers as teleprompters, DSPy's own optimizers under our budgets and log."""

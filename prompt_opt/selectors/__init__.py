"""Which of several prompts is best, for few evaluations; one selector per file, all behind `contract.Selector`."""

"""Datasets, readers, splits, PromptGuard."""

"""Metrics (per case first) and paired statistics."""

"""Recommenders: short baselines, and the door for the user's own."""

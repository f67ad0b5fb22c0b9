"""Agents: personas, memory, the user's graph."""

"""The recloop command."""

"""A run is a folder: manifest, event log, call cassette, checkpoints, documented tables."""

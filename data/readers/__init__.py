"""One file per format a dataset can come in."""

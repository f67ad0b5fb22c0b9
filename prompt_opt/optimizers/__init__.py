"""Ways to search, one file each: a generator of steps (`steps.py`) and its Pydantic config."""

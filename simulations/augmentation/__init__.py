"""Training data from simulated people: what they did, as rows; rivals of equal size; judged on real rows; for other tools.

    rows.py       a rehearsal's actions as rows, under a named policy     controls.py   as many rows, at random and by popularity
    compared.py   pairs of items that simulated users compare             judged.py     a retrained recommender on real held-out rows
    export.py     rows with their provenance, as Parquet, CSV, RecBole files

A new policy is a line in `rows.POLICIES`; a new format one in `export.FORMATS`.
"""

"""What came of a rehearsal: numbers with intervals and baselines, charts, one self-contained page.

    facts.py, shapes.py        the run's tables as arrays        summary.py     all rows of the summary (start here)
    behaviour.py, users.py, ratings.py, bias.py, cost.py         a group of rows each
    numbers.py                 a row: value, interval, baseline  printed.py     the summary in the terminal
    charts.py, canvas.py       inline SVG                        report.py, report_charts.py, report_users.py, report.html

A new number is a row in one of the groups, with its baseline.
"""

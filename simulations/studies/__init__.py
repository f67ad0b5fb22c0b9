"""Studies: questions asked of rehearsals, one per file, each with its control, its interval, its picture and a verdict.

    study.py     the contract: `Study`, `StudyConfig`, `Result`     workshop.py   rehearsals and parts of a study, resumable
    carry.py     carry one out, resume it; its run kind             table.py      names -> studies
    plots.py     what a study may draw                              page.py       its page
    honesty.py   notes on who played the users                      ranks.py      rank correlations with their doubt
    stand_ins.py recommenders made worse, kept, or mistaken         planted_users.py  users of known taste in one

A new study: a file with a config and a class, and a line in `table.py`. It needs no other place to be a command, to be
resumed after a kill, and to have a page.
"""

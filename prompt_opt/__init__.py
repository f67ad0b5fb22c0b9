"""Search over prompts: a task, a seed prompt and a budget in; the best prompt, its evidence, lineage and bill out.

task.py, candidate.py, scores.py    the contracts: `Task`, `Candidate`, `Scores`
steps.py, context.py                what an optimizer may ask for, and what it is given
selectors/                          which of several prompts is best: racing, UCB, halving, full scoring
proposers/                          where new prompts come from: models, and a bank of our own edits
optimizers/                         racing (the default), recprompt, po4isr
tasks/                              sessions, news, re-ranking, the simulator itself
history.py, summary.py, bill.py     a search as its log tells it; printed.py shows it
lineage.py, ancestry.py, fates.py, page.py where every candidate came from and how it fared
programs/                           DSPy programs as tasks, our optimizers for DSPy, DSPy's as rivals
prompts/                            seed prompts and the proposers' own prompts, as files
"""

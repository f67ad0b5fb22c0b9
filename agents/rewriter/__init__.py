"""Agents who put a query as somebody else would (Agent4Ranking, arXiv 2312.15450): intent, rewrite, judge, targeted repair.

records.py    `Rewrite`: what came of one (query, persona), and `Persona`-as-searcher descriptions
personas.py   the shipped personas; personas are data, and never guessed from a query
graph.py      one flat LangGraph graph per (query, persona)
steps.py      its nodes: intent, rewrite, judge, repair
judge.py      meaning and persona, by votes of a model that is not the rewriter's; an embedding check beside it
rules.py      rewriters without a model: typos, order, synonyms, verbosity, register
likelihood.py a small local model chooses among what rules propose
carry.py      many queries at once: a run of kind `rewrite`, resumable
"""

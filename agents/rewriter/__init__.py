"""Agents who put a query as somebody else would (Agent4Ranking, arXiv 2312.15450): intent, rewrite, judge, targeted repair.

records.py    `Rewrite`: what came of one (query, persona); `Searcher`: who searches
personas.py   the shipped personas, and those of a file; personas are data, and never guessed from a query
queries.py    which queries: words, files, search sets
graph.py      one flat LangGraph graph per (query, persona); `rewrite_query` for one query without a run
steps.py      its nodes (intent, rewrite, judge, repairs, settle) and which comes after which
writers.py    who writes: a chat model, or rules          likelihood.py   a small local model orders what rules propose
judge.py      meaning and persona, by votes of a model that should not be the rewriter's
rules.py      rewriters without a model, by family        rule_words.py   their words
carry.py      many queries at once: a run of kind `rewrite`, resumable   config.py, tables.py, summary.py, forecast.py
prompts/      one file per question asked of a model
"""

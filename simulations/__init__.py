"""Populations of agents before a recommender: the run loop, summaries, reports."""

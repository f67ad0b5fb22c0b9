"""Methods as tools that agents call: LangChain StructuredTools, which MCP servers and LangGraph's ToolNode take as they are.

    adapter.py    `as_tool`: any typed function with a Pydantic model of its arguments
    searching.py  rewrite, rank, stability, score_rewrite: over one set, one retriever

A tool is never written by hand: give the method's function and its arguments to `as_tool`.
"""

from .adapter import as_tool
from .searching import rank_tool, rewrite_tool, score_rewrite_tool, stability_tool

__all__ = ["as_tool", "rank_tool", "rewrite_tool", "score_rewrite_tool", "stability_tool"]

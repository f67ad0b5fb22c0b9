"""What can be optimized. `open_task` finds a task by name.

    open.py                       names of tasks -> a task
    listwise.py                   `ListTask`: all tasks that rank candidates after a history
    session.py                    PO4ISR: what is taken up next? (session_dataset.py, session_files.py: where cases come from)
    news.py                       RecPrompt: what is clicked? (news_files.py; topics.py: TopicScore of its answers)
    rerank.py                     a recommender's best, put into a better order
    rewrite.py                    the rewriting agent's prompt, by what its rewrites do to a search
    asking.py                     a model writes the list, or its likelihoods of the titles are read
    permutation.py                the policy that makes a ranking of every answer
    metrics.py, position.py       what a ranking is worth; whether the place shown decides
    baskets.py                    rivals without a prompt: popularity, co-occurrence, title overlap
    items.py, records.py, building.py   items in a prompt, rows of files, options in common

A new task is a file that opens a `Task` (see `prompt_opt/task.py`), and a line in `open.py`.
"""

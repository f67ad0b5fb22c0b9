"""The debugger's web page: one small server on loopback over one run and its forks, and a page without outside requests.

api.py        what the page may ask: every route, its parameters, its JSON              start reading here
search_api.py the same of a prompt search, where it differs; its page is search.html and js/search/
serve.py      `serve`: bind, tell the address, open the browser, stay until Ctrl-C
door.py       who may come in: token, cookie, Host, Origin; the headers of every answer
careful.py    what the page may not ask for, though the command may: files, code, addresses
opening.py    which kinds of run can be opened, and by what; a new kind's view begins there
shelf.py      the runs that the page may name, by fork address; one open debugger each
asked.py      parameters and bodies checked; values as JSON
shown.py      values of the debugger in the page's words;      words.py  the tables of conditions and edits
living.py     runs that go on, each in a thread of its own, and how far they are
following.py  what is new in a run, by looking at its files: for whoever writes it
errors.py     errors as statuses and words, without credentials
static/       the page: ES modules and CSS, as they are
"""

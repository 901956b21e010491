"""A small shop: its raw tables, and the jobs that keep a warehouse and a lake up to date from them.

Read `jobs.py` first; `connections.py` and `tables.py` are what it builds on. `minimal.py` and `fanout.py` are the two
smallest examples, each a code location of its own. The rest makes data for them: `rows` computes it, `seed` and
`generate` write it to `raw`, and `stand`, `load` and `serving` are what `scripts/demo` starts.
"""

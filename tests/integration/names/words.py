"""Names that need quoting, encoding or both."""

from __future__ import annotations

# As schema, table and column.
NAMES = [
    "Orders",
    "SELECT",
    "user",
    "a b",
    'say "hi"',
    "it's",
    "we.ird",
    "größe 表 😀",
    63 * "x",
    31 * "é" + "x",
    "100% of #1?",
    "{0} %s $1 :x; --",
]
# As columns only: what our own statements call things, and what others read in them.
COLUMNS = [
    *NAMES,
    *["q", "u", "e", "n", "t", "s", "held", "stage", "source", "target", "excluded", "given", "row", "other"],
    *["path", "0", "1", "null", "True", "order", "ematix-flow window"],
    *['"', "`", "'", "%", "{}", "%(x)s", "*", "[0]", "(a)", "<a>", "a|b", "a^b", "a:b", "a=b", "a,b", "~"],
    *["\u00e9", "e\u0301", "\u0130", "\u0131"],  # alike to the eye, or in another case
]
DIFFER_IN_CASE = ["orders", "select"]  # from others above
MODES = ["append", "merge", "scd2"]

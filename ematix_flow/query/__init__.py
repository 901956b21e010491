"""What a SELECT says of itself: that it only reads, which tables it reads, and what a window may do to it.

Pure: it reads text (with sqlglot and a scanner that cuts it as PostgreSQL does) and opens nothing.
"""

from ematix_flow.query.guard import parse_select
from ematix_flow.query.purity import attributes, impurity
from ematix_flow.query.select import Select
from ematix_flow.query.shape import SingleTable, single_table
from ematix_flow.query.sources import TableRef, source_tables
from ematix_flow.query.tracking import Trackable, Untrackable, tracking

__all__ = [
    "Select",
    "SingleTable",
    "TableRef",
    "Trackable",
    "Untrackable",
    "attributes",
    "impurity",
    "parse_select",
    "single_table",
    "source_tables",
    "tracking",
]

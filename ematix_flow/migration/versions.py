"""Whether a live table lets a history keep several versions of a key. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ematix_flow.history import VALID_FROM, VALID_TO
from ematix_flow.migration.values import Drift, DropUnique
from ematix_flow.spec import Scd2
from ematix_flow.state import TargetState


def version_drifts(state: TargetState, mode: Scd2) -> Iterator[Drift]:
    """The unique indexes that refuse a second version.

    Versions of one key may agree in whatever is read from the source, but not in the time since when, or until when,
    they hold. A column that nobody declared has a default, such as a number of its own for each row.
    """
    tells_versions_apart = {VALID_FROM, VALID_TO, mode.valid_from}
    may_agree = {column.name for column in state.stored.columns} - tells_versions_apart
    for index in state.unique_indexes:
        if may_agree.issuperset(index.columns):
            yield Drift(
                text=f"unique index {index.name} allows one row for each ({', '.join(index.columns)}), and a history "
                "keeps a row for each version",
                remedy=DropUnique(table=state.stored, index=index),
            )

"""The modes that the contract is about, and the rows that they are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ematix_flow import Append, Deletes, LoadMode, Merge, Scd2, Truncate
from ematix_flow.testing import Row

KEY = ("region", "id")
COLUMNS = ("region", "id", "v", "price", "at")
START = datetime(2026, 1, 1, tzinfo=UTC)

_HARD, _SOFT = Deletes.HARD, Deletes.SOFT
MODES: dict[str, LoadMode] = {
    "append": Append(),
    "append by key": Append(keys=KEY),
    "truncate": Truncate(),
    "truncate by key": Truncate(keys=KEY),
    "merge": Merge(keys=KEY),
    "merge of one column": Merge(keys=KEY, update=("v",)),
    "merge with hard deletes": Merge(keys=KEY, deletes=_HARD),
    "merge with soft deletes": Merge(keys=KEY, deletes=_SOFT),
    "scd2": Scd2(keys=KEY),
    "scd2 of one column": Scd2(keys=KEY, compare=("v",)),
    "scd2 that closes": Scd2(keys=KEY, deletes=_SOFT),
    "scd2 by event time": Scd2(keys=KEY, valid_from="at"),
    "scd2 by event time of one column": Scd2(keys=KEY, valid_from="at", compare=("v",)),
    "scd2 by event time that closes": Scd2(keys=KEY, valid_from="at", deletes=_SOFT),
}
MAY_BE_EMPTY: dict[str, LoadMode] = {
    "merge with hard deletes": Merge(keys=KEY, deletes=_HARD, allow_empty_source=True),
    "merge with soft deletes": Merge(keys=KEY, deletes=_SOFT, allow_empty_source=True),
    "scd2 that closes": Scd2(keys=KEY, deletes=_SOFT, allow_empty_source=True),
    "scd2 by event time that closes": Scd2(keys=KEY, valid_from="at", deletes=_SOFT, allow_empty_source=True),
}


def by_event_time(mode: LoadMode) -> bool:
    """Whether rows say themselves since when they hold, so that a source has several of a key."""
    return isinstance(mode, Scd2) and mode.valid_from is not None


def row(
    id_: int | None,
    v: str | None,
    hour: float | None = 0,
    *,
    region: str | None = "n",
    price: str | None = "1.50",
) -> Row:
    """A row of the source, seen so many hours after all began."""
    return {
        "region": region,
        "id": id_,
        "v": v,
        "price": None if price is None else Decimal(price),
        "at": None if hour is None else START + timedelta(hours=hour),
    }

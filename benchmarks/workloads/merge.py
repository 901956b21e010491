"""Changes, a tenth as many as the target has rows: merged, and kept as versions."""

from __future__ import annotations

from benchmarks.contest import Contestant, Workload
from benchmarks.workloads import held

_PROGRAM = "benchmarks.ours.transfer:together"
_LOCAL = {"query": held.LOCAL}
_MERGE = {"mode": "merge"}
_SCD2 = {"mode": "scd2", "schema": held.HISTORY}
_WITHIN_SCD2 = "ours, scd2 ≤ 2 times ours, merge"
_ROWS = 2_000_000


def _by_hand(name: str, program: str, **options: str) -> Contestant:
    return Contestant(name=name, program=program, options=options)


def _bare_delta(name: str, **options: str) -> Contestant:
    program = "benchmarks.peers.delta_table:merge"
    return Contestant(name=name, program=program, package="adbc-driver-postgresql", options=options)


def _in_database(name: str, title: str, contestants: tuple[Contestant, ...], wanted: str) -> Workload:
    return Workload(
        name=name,
        title=title,
        rows=_ROWS,
        contestants=contestants,
        prepare=held.in_database,
        restore=held.restore_database,
        loaded=held.count_database,
        expected=held.rows_after,
        wanted=wanted,
    )


def _in_lake(name: str, title: str, contestants: tuple[Contestant, ...], wanted: str) -> Workload:
    return Workload(
        name=name,
        title=title,
        rows=_ROWS,
        contestants=contestants,
        prepare=held.in_lake,
        restore=held.restore_lake,
        loaded=held.count_lake,
        expected=held.rows_after,
        wanted=wanted,
    )


WORKLOADS = (
    _in_database(
        "merge-postgres",
        "changes to a tenth of lineitem → merge into another Postgres",
        (
            Contestant(name="ours", program=_PROGRAM, options=_MERGE),
            _by_hand("temporary table, on conflict do update", "benchmarks.peers.bare_sql:upsert"),
            _by_hand("temporary table, merge", "benchmarks.peers.bare_sql:merge"),
        ),
        "ours ≤ 1.10 times the faster of the two",
    ),
    _in_database(
        "scd2-postgres",
        "changes to a tenth of lineitem → versions in another Postgres",
        (
            Contestant(name="ours, scd2", program=_PROGRAM, options=_SCD2),
            Contestant(name="ours, merge", program=_PROGRAM, options=_MERGE),
        ),
        _WITHIN_SCD2,
    ),
    _in_lake(
        "merge-delta",
        "changes to a tenth of lineitem, keys spread → merge into Delta",
        (
            Contestant(name="ours", program=_PROGRAM, options=_MERGE),
            _bare_delta("DeltaTable.merge"),
            _bare_delta("DeltaTable.merge, not streamed", streamed="no"),
        ),
        "ours ≤ 1.10 times DeltaTable.merge",
    ),
    _in_lake(
        "merge-delta-local",
        "changes to a tenth of lineitem, keys in few files → merge into Delta",
        (
            Contestant(name="ours", program=_PROGRAM, options=_MERGE | _LOCAL),
            Contestant(name="ours, keys spread", program=_PROGRAM, options=_MERGE),
            _bare_delta("DeltaTable.merge", **_LOCAL),
            _bare_delta(
                "DeltaTable.merge, not streamed",
                streamed="no",
                **_LOCAL,
            ),
        ),
        "ours ≤ 1.10 times DeltaTable.merge and ≤ 0.6 times ours, keys spread",
    ),
    _in_lake(
        "scd2-delta",
        "changes to a tenth of lineitem, keys spread → versions in Delta",
        (
            Contestant(name="ours, scd2", program=_PROGRAM, options=_SCD2),
            Contestant(name="ours, merge", program=_PROGRAM, options=_MERGE),
        ),
        _WITHIN_SCD2,
    ),
)

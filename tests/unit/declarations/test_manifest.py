"""What a project means when every name is resolved."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow import Append, JobTarget, Project, UnknownNameError, connection_of, dag, pk, table_of
from ematix_flow.types import BigInt


@pytest.fixture
def ematix() -> Project:
    return Project()


def postgres(project: Project, name: str) -> type[Any]:
    @project.connection(name=name)
    class Database:
        kind = "postgres"
        url = "${DSN}"

    return Database


def delta(project: Project, name: str) -> type[Any]:
    @project.connection(name=name)
    class Lake:
        kind = "delta"
        url = "/srv/lake"

    return Lake


def orders(project: Project) -> type[Any]:
    @project.table(schema="shop")
    class Orders:
        order_id: Annotated[BigInt, pk()]

    return Orders


def select() -> str:
    return "select 1"


def batches() -> Iterator[object]:
    yield from ()


# --- connections of a job ----------------------------------------------------------------------------


def test_the_only_connection_holds_every_target_and_is_the_source(ematix: Project) -> None:
    warehouse = postgres(ematix, "warehouse")
    table = orders(ematix)
    ematix.job("load", target=table)(select)
    job = ematix.manifest().job("load")
    assert job.targets == (
        JobTarget(
            table=table_of(table), connection=connection_of(warehouse), mode=Append(keys=("order_id",))
        ),
    )
    assert job.source == connection_of(warehouse)


def test_the_source_that_is_named_comes_first(ematix: Project) -> None:
    postgres(ematix, "warehouse")
    lake = delta(ematix, "lake")
    ematix.job("load", target=orders(ematix), target_connection="warehouse", source_connection="lake")(select)
    assert ematix.manifest().job("load").source == connection_of(lake)


def test_the_first_postgres_among_the_targets_is_the_source(ematix: Project) -> None:
    delta(ematix, "lake")
    postgres(ematix, "replica")
    warehouse = postgres(ematix, "warehouse")
    table = orders(ematix)

    @ematix.table
    class Archive:
        order_id: Annotated[BigInt, pk()]

    ematix.job(
        "load", targets=[Archive, table], target_connection={"archive": "lake", "orders": "warehouse"}
    )(select)
    assert ematix.manifest().job("load").source == connection_of(warehouse)


def test_swapping_the_target_to_delta_leaves_the_only_postgres_as_source(ematix: Project) -> None:
    warehouse = postgres(ematix, "warehouse")
    delta(ematix, "lake")
    ematix.job("load", target=orders(ematix), target_connection="lake")(select)
    assert ematix.manifest().job("load").source == connection_of(warehouse)


def test_a_generator_needs_no_source(ematix: Project) -> None:
    delta(ematix, "lake")
    ematix.job("load", target=orders(ematix))(batches)
    assert ematix.manifest().job("load").source is None


def test_a_generator_is_still_given_the_source_that_can_be_guessed(ematix: Project) -> None:
    delta(ematix, "lake")
    warehouse = postgres(ematix, "warehouse")
    ematix.job("load", target=orders(ematix), target_connection="lake")(batches)
    assert ematix.manifest().job("load").source == connection_of(warehouse)


def test_one_table_may_stand_in_two_connections(ematix: Project) -> None:
    postgres(ematix, "warehouse")
    delta(ematix, "lake")
    table = orders(ematix)
    ematix.job("load", target=table, target_connection="warehouse")(select)
    ematix.job("archive", target=table, target_connection="lake")(select)
    labels = [target.label for job in ematix.manifest().jobs.values() for target in job.targets]
    assert labels == ["warehouse:shop.orders", "lake:shop.orders"]


# --- what is in it -----------------------------------------------------------------------------------


def test_a_manifest_does_not_change_when_more_is_declared(ematix: Project) -> None:
    postgres(ematix, "warehouse")
    manifest = ematix.manifest()
    postgres(ematix, "replica")
    assert list(manifest.connections) == ["warehouse"]
    assert list(ematix.manifest().connections) == ["warehouse", "replica"]


def test_tables_are_those_declared_with_or_without_a_job(ematix: Project) -> None:
    table = orders(ematix)
    assert ematix.manifest().tables == (table_of(table),)


def test_an_unknown_job_is_told_with_those_that_come_close(ematix: Project) -> None:
    postgres(ematix, "warehouse")
    ematix.job("load_orders", target=orders(ematix))(select)
    with pytest.raises(UnknownNameError) as caught:
        ematix.manifest().job("load_order")
    (problem,) = caught.value.problems
    assert problem.declaration == "job 'load_order'"
    assert problem.text == "there is no such job; did you mean 'load_orders'?"


# --- the graph ---------------------------------------------------------------------------------------


def test_jobs_stand_in_the_order_of_their_dependencies_and_else_as_declared(ematix: Project) -> None:
    postgres(ematix, "warehouse")
    table = orders(ematix)
    for name, upstream in {"d": "a", "c": (), "b": "d", "a": ()}.items():
        ematix.job(name, target=table, depends_on=upstream)(select)
    assert list(ematix.manifest().jobs) == ["c", "a", "d", "b"]


def test_upstream_joins_the_jobs_own_word_with_the_edges_of_workflows(ematix: Project) -> None:
    postgres(ematix, "warehouse")
    table = orders(ematix)
    a = ematix.job("a", target=table)(select)
    b = ematix.job("b", target=table)(select)
    c = ematix.job("c", target=table, depends_on=b)(select)
    ematix.workflow("nightly", jobs=[a, b, c], depends_on={"c": [a, b], "b": a})
    assert {name: job.upstream for name, job in ematix.manifest().jobs.items()} == {
        "a": (),
        "b": ("a",),
        "c": ("a", "b"),
    }


def test_a_workflow_keeps_what_it_was_told(ematix: Project) -> None:
    postgres(ematix, "warehouse")
    table = orders(ematix)
    ematix.job("a", target=table)(select)
    b = ematix.job("b", target=table)(select)
    c = ematix.job("c", target=table)(select)
    first = ematix.workflow("first", jobs=["a"], schedule="@daily", timezone="Europe/Berlin")
    second = ematix.workflow("second", jobs=[b], triggered_by=[first, c])
    assert ematix.manifest().workflows == {"first": first, "second": second}
    assert (first.schedule, first.timezone, first.triggered_by) == ("@daily", "Europe/Berlin", ())
    assert (second.jobs, second.schedule, second.triggered_by) == (("b",), None, ("first", "c"))


names = st.integers(0, 9).map(str)
graphs = st.dictionaries(names, st.lists(names, unique=True), max_size=10).map(
    lambda graph: {name: [other for other in others if other in graph] for name, others in graph.items()}
)


@given(graphs)
def test_cutting_the_rings_leaves_an_order_in_which_nothing_comes_before_what_it_waits_for(
    graph: dict[str, list[str]],
) -> None:
    for ring in dag.rings(graph):
        assert ring[0] == ring[-1]
        for waiting, waited_for in itertools.pairwise(ring):
            assert waited_for in graph[waiting]
    cut = {name: [other for other in others if int(other) < int(name)] for name, others in graph.items()}
    order = dag.in_order(cut)
    assert sorted(order) == sorted(graph)
    for name in order:
        assert all(order.index(other) < order.index(name) for other in cut[name])


@given(graphs)
def test_a_graph_that_is_already_in_order_stays_so(graph: dict[str, list[str]]) -> None:
    numbered = {name: [o for o in graph[name] if int(o) < int(name)] for name in sorted(graph, key=int)}
    assert dag.in_order(numbered) == list(numbered)


def test_a_chain_longer_than_pythons_stack_is_no_matter() -> None:
    chain = {str(n): [str(n - 1)] if n else [] for n in range(5000)}
    assert list(dag.rings(chain)) == []
    assert dag.in_order(chain) == list(chain)

"""The names that a backend cannot keep are refused, and the error shows them."""

from __future__ import annotations

from typing import Annotated, Any

import pyarrow as pa
import pytest

from ematix_flow import DeclarationError, Target, pk, run_job
from ematix_flow.errors import RunError, SourceQueryError
from ematix_flow.types import BigInt


@pytest.mark.parametrize("name", ["[a]", "a]", "a^2", "a|b", "a%41"])
def test_a_lake_refuses_the_few_names_that_no_folder_of_its_may_have(house: Any, name: str) -> None:
    table_class = house.declare("a", name, {"id": Annotated[BigInt, pk()]})
    targets = [Target(table_class, connection=connection) for connection in ("other", "lake")]
    job = house.project.job(name="load", targets=targets, source_connection="origin")(
        lambda: pa.record_batch({"id": [1]})
    )
    with pytest.raises(
        RunError, match=r"1 of 2 targets failed.*delta-rs works in no folder whose name holds"
    ):
        run_job(job, project=house.project)
    assert house.rows("other", "a", name) == [{"id": 1}]


def test_a_lake_refuses_columns_that_differ_in_their_case_only(house: Any) -> None:
    table_class = house.declare(
        "a", "t", {"id": Annotated[BigInt, pk()], "Größe": BigInt, "gRÖSSe": BigInt, "größe": BigInt}
    )
    job = house.project.job(
        name="load", target=table_class, source_connection="origin", target_connection="lake"
    )(lambda: pa.record_batch({"id": [1]}))
    with pytest.raises(RunError, match="the columns 'Größe' and 'größe' differ in their case only"):
        run_job(job, project=house.project)


@pytest.mark.parametrize("field", ["schema", "name", "column"])
@pytest.mark.parametrize("name", [64 * "x", 32 * "é", 31 * "é" + "xx"])
def test_a_name_that_postgres_would_cut_is_refused_by_name(house: Any, name: str, field: str) -> None:
    names = {"schema": "a", "name": "t", "column": "c", field: name}
    with pytest.raises(DeclarationError, match=rf"'{name}' has 64 bytes, and PostgreSQL would cut it to 63"):
        house.declare(names["schema"], names["name"], {names["column"]: BigInt})


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "a\\b", "a\nb", "\0", ".", ".."])
def test_a_name_that_no_folder_can_have_is_refused(house: Any, name: str) -> None:
    with pytest.raises(DeclarationError, match="is not a usable name"):
        house.declare(name, "t", {"c": BigInt})


def test_a_schema_of_a_lake_whose_name_holds_a_dot_cannot_be_read_and_the_error_says_so(house: Any) -> None:
    with pytest.raises(
        SourceQueryError, match=r"DataFusion reads no schema whose name holds a dot, as 'we\.ird' does"
    ):
        house.read_lake("we.ird", "t")

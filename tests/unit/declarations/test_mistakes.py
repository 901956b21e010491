"""Each mistake that a user can make in a declaration, and the whole message that tells of it.

The texts stand in `mistakes/*.txt`: a title, the declaration, the error's class, the message. Each runs in a project
of its own that already holds the declarations of the fixture `shop`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ematix_flow import DeclarationError, Project

CASES = [
    pytest.param(text, id=f"{file.stem}: {text.partition(chr(10))[0]}")
    for file in sorted((Path(__file__).parent / "mistakes").glob("*.txt"))
    for text in file.read_text(encoding="utf-8").removeprefix("=== ").split("\n=== ")
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("shop")
def test_a_mistake_is_told(
    case: str, project: Project, declare: Callable[[str], Mapping[str, Any]], tmp_path: Path
) -> None:
    _, _, rest = case.partition("\n")
    text, _, told = rest.partition("--- ")
    family, _, message = told.partition("\n")

    def declare_all() -> None:
        declare(text)
        project.manifest()

    with pytest.raises(DeclarationError) as caught:
        declare_all()
    assert str(caught.value).replace(f"{tmp_path}/", "") == message.rstrip()
    assert type(caught.value).__name__ == family

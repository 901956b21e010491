"""The design's two examples, where the example project shows them."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "example_project"
NAMES = ("minimal.py", "fanout.py")
_END = "# --- end\n"


def verbatim(name: str) -> str:
    """The part of an example that is the design's text, word for word."""
    return _text(name).partition("# --- verbatim\n")[2].partition(_END)[0]


def write_declarations(folder: Path) -> tuple[Path, ...]:
    """Both examples as a project without Dagster has them: all that stands above the definitions."""
    paths = tuple(folder / name for name in NAMES)
    for path in paths:
        path.write_text(_text(path.name).partition(_END)[0], encoding="utf-8")
    return paths


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")

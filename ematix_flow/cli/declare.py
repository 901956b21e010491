"""`declare`: the table class for a table that exists."""

from __future__ import annotations

from ematix_flow.backends import Environ, live_table
from ematix_flow.cli.output import SUCCEEDED, tell
from ematix_flow.cli.selection import unknown_name
from ematix_flow.declare import declaration
from ematix_flow.problems import suggestion
from ematix_flow.project import Project


def declare(project: Project, connection: str, table: str, environ: Environ) -> int:
    """Print the class that declares a live table; the exit code.

    Raises:
        UnknownNameError: there is no such connection or table.
        DeclarationError: no column of it can be declared.
    """
    schema, _, name = table.partition(".")
    if connection not in project.connections:
        choices = suggestion(connection, project.connections)
        raise unknown_name(f"connection '{connection}'", f"there is no such connection; {choices}")
    if not schema or not name:
        raise unknown_name(f"table '{table}'", "give its schema too, as in SCHEMA.TABLE")
    live = live_table(project.connections[connection], schema, name, environ=environ)
    if live is None:
        raise unknown_name(
            f"table '{table}'",
            f"connection '{connection}' has no such table; check its name, capitals included",
        )
    tell(declaration(live))
    return SUCCEEDED

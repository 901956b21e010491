"""Which project and jobs a command is about: the module is imported, and the words are looked up in it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType

from ematix_flow.errors import Problem, UnknownNameError
from ematix_flow.manifest import Manifest
from ematix_flow.problems import suggestion
from ematix_flow.project import Project, ematix
from ematix_flow.spec import NOWHERE, JobTarget

# A file may be called like a module of the standard library, so it is not kept under its own name.
_MODULE_NAME = "__declarations__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Jobs with those of their targets that were asked for, in DAG order."""

    project: Project
    manifest: Manifest
    targets: Mapping[str, tuple[JobTarget, ...]]  # by the name of the job


def load_project(module: str) -> Project:
    """Import declarations and give the project that they stand in.

    That is the one `Project` among the module's names, or else the ready-made `ematix`. What the module raises while
    it is imported is its own affair and passes through.

    Raises:
        UnknownNameError: there is no such module, or it has several projects.
    """
    imported = _import_file(Path(module)) if module.endswith(".py") else _import_name(module)
    projects = {id(value): value for value in vars(imported).values() if isinstance(value, Project)}
    match list(projects.values()):
        case []:
            return ematix
        case [only]:
            return only
        case _:
            raise unknown_name(
                f"module '{module}'", "has several projects; keep one of them under a name in it"
            )


def select_jobs(project: Project, names: Sequence[str], labels: Sequence[str] = ()) -> Selection:
    """The named jobs, or all; with `labels`, only those of their targets, and the jobs that have one.

    Raises:
        UnknownNameError: there is no such job or target, or no job at all.
        DeclarationError: the declarations do not fit together.
    """
    manifest = project.manifest()
    wanted = {manifest.job(name).job.name for name in names} or set(manifest.jobs)
    if not wanted:
        raise unknown_name("the module", "declares no job; write one with @ematix.job(…)")
    targets = {name: job.targets for name, job in manifest.jobs.items() if name in wanted}
    known = {target.label for each in targets.values() for target in each}
    for label in labels:
        if label not in known:
            raise unknown_name(f"target '{label}'", f"there is no such target; {suggestion(label, known)}")
    if labels:
        asked = {
            name: tuple(target for target in each if target.label in labels) for name, each in targets.items()
        }
        targets = {name: each for name, each in asked.items() if each}
    return Selection(project=project, manifest=manifest, targets=MappingProxyType(targets))


def _import_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # something that the module itself imports
        raise unknown_name(
            f"module '{name}'", "there is no such module; name an importable one, or the path of a .py file"
        ) from error


def _import_file(path: Path) -> ModuleType:
    """Import a file as Python would run it: what lies beside it, or beside its package, can be imported."""
    if not path.is_file():
        raise unknown_name(f"module '{path}'", "there is no such file")
    folder, package = path.resolve().parent, [path.stem]
    while (folder / "__init__.py").is_file():
        package.insert(0, folder.name)
        folder = folder.parent
    sys.path.insert(0, str(folder))
    if len(package) > 1:
        return importlib.import_module(".".join(package))
    spec = importlib.util.spec_from_file_location(_MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise unknown_name(f"module '{path}'", "is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE_NAME] = module
    spec.loader.exec_module(module)
    return module


def unknown_name(declaration: str, text: str) -> UnknownNameError:
    """The error of a word on the command line that names nothing; `text` says what to do."""
    problem = Problem(file=NOWHERE.file, line=NOWHERE.line, declaration=declaration, field=None, text=text)
    return UnknownNameError(problems=(problem,))

"""A project with two connections, a way to declare jobs in it, and a live Dagster server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ematix_flow import Job, Project, pk
from ematix_flow.types import BigInt, Numeric, Text, TimestampTZ

_T = TypeVar("_T")
DeclareJob: TypeAlias = Callable[..., Job]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Definitions load on a machine that knows no server; tests that run jobs set what they need."""
    for name in ("WAREHOUSE_DSN", "LAKE_URL", "EMATIX_START_SCHEDULES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project() -> Project:
    """A project that knows the connections `warehouse` (Postgres) and `lake` (Delta)."""
    project = Project()
    project.connection(type("warehouse", (), {"kind": "postgres", "url": "${WAREHOUSE_DSN}"}))
    project.connection(type("lake", (), {"kind": "delta", "url": "${LAKE_URL}"}))
    return project


@pytest.fixture
def declare_job(project: Project) -> DeclareJob:
    """Declares `load_<table>`, which reads raw.events into analytics.<table> of the warehouse, unless told otherwise."""
    tables: dict[str, type[Any]] = {}

    def table(name: str) -> type[Any]:
        if name not in tables:

            @project.table(schema="analytics", name=name)
            class Events:
                """What happened."""

                event_id: Annotated[BigInt, pk()]
                name: Text | None
                price: Numeric[12, 2] | None
                received_at: TimestampTZ

            tables[name] = Events
        return tables[name]

    def declare(
        *names: str,
        sql: str = "select * from raw.events",
        body: Callable[..., Any] | None = None,
        **words: Any,
    ) -> Job:
        words.setdefault("name", f"load_{names[0]}")
        words.setdefault("target_connection", "warehouse")

        def returns_sql() -> str:
            return sql

        return project.job(targets=[table(name) for name in names], **words)(body or returns_sql)

    return declare


# --- a live server -----------------------------------------------------------------------------------

WRONG_PASSWORD = "badly%zzencoded"  # noqa: S105  # it opens nothing
LITERAL_PASSWORD = "literal-and-never-shown"  # noqa: S105  # it opens nothing; in locations/shop.py
LOCATIONS = Path(__file__).parent / "locations"
# Without this file every queued run waits up to four seconds longer; and a test calls nobody.
INSTANCE = """
telemetry:
  enabled: false
nux:
  enabled: false
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
concurrency:
  pools:
    default_limit: 1
    granularity: run
"""


class LiveServer:
    """A `dagster dev` of two code locations, `shop` and `trouble`, driven through GraphQL as its page does."""

    def __init__(self, home: Path, dsn: str) -> None:
        self.home = home
        self.dsn = dsn
        self.responses: list[str] = []
        self.url = f"http://127.0.0.1:{_free_port()}"
        (home / "dagster.yaml").write_text(INSTANCE)

    def start(self) -> None:
        command = [sys.executable, "-m", "dagster", "dev", "--host", "127.0.0.1"]
        command += ["--port", self.url.rpartition(":")[2]]
        for name in ("shop", "trouble"):
            command += ["--python-file", str(LOCATIONS / f"{name}.py")]
        environment = os.environ | {
            "DAGSTER_HOME": str(self.home),
            "WAREHOUSE_DSN": self.dsn,
            "LAKE_URL": str(self.home / "lake"),
            "WRONG_DSN": self.dsn.replace(str(conninfo_to_dict(self.dsn)["password"]), WRONG_PASSWORD),
        }
        environment.pop("EMATIX_START_SCHEDULES", None)
        with (self.home / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.home,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Dagster gives SIGTERM what it finds for SIGINT, and a shell's background jobs ignore that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self.wait_for(self._is_loaded, seconds=90, what="its locations to load")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own: only what it started
            raise

    def _is_loaded(self) -> bool:
        assert self.process.poll() is None, (self.home / "server.log").read_text()
        try:
            workspace = self.ask(
                "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }"
            )["workspaceOrError"]
        except urllib.error.URLError:
            return False
        return [entry["loadStatus"] for entry in workspace["locationEntries"]] == ["LOADED", "LOADED"]

    # --- asking ---

    def ask(self, query: str, **variables: Any) -> Any:
        """The data that a GraphQL query or mutation gives."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(  # noqa: S310  # our own server
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310  # our own server
            text = response.read().decode()
        self.responses.append(text)
        answer = json.loads(text)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def wait_for(self, ready: Callable[[], _T | None], *, seconds: float, what: str) -> _T:
        """The first true value that `ready` gives."""
        deadline = time.monotonic() + seconds
        while not (found := ready()):
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
            time.sleep(0.5)
        return found

    # --- runs ---

    def launch(
        self, *assets: str, location: str = "shop", job: str = "__ASSET_JOB", config: Any = None
    ) -> str:
        """Start a run as the page's Materialize button does, of some assets (`a/b/c`) or all, and give its id."""
        answer = self.ask(
            """mutation ($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) { __typename
            ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
            ... on RunConfigValidationInvalid { errors { message } } ... on InvalidSubsetError { message } } }""",
            p={
                "selector": {
                    "repositoryLocationName": f"{location}.py",
                    "repositoryName": "__repository__",
                    "pipelineName": job,
                    "assetSelection": [{"path": asset.split("/")} for asset in assets],
                },
                "runConfigData": json.dumps(config or {}),
                "mode": "default",
            },
        )["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def status(self, run_id: str) -> str:
        query = "query ($r: ID!) { runOrError(runId: $r) { ... on Run { status } } }"
        return str(self.ask(query, r=run_id)["runOrError"]["status"])

    def end_of(self, run_id: str, seconds: float = 90) -> str:
        """The status in which a run ends."""

        def ended() -> str | None:
            status = self.status(run_id)
            return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

        return self.wait_for(ended, seconds=seconds, what=f"run {run_id} to end")

    def events_of(self, run_id: str) -> list[dict[str, Any]]:
        """The events of a run: type, message, and of a materialization the asset's path and numbers."""
        answer = self.ask(
            """query ($r: ID!) { logsForRun(runId: $r) { ... on EventConnection { events { __typename
            ... on MessageEvent { message eventType }
            ... on ExecutionStepFailureEvent { error { message stack causes: errorChain { error { message } } } }
            ... on MaterializationEvent { assetKey { path } metadataEntries { label
              ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } } } } } }""",
            r=run_id,
        )
        events: list[dict[str, Any]] = answer["logsForRun"]["events"]
        return events

    def materialized(self, run_id: str) -> dict[str, dict[str, int]]:
        """The assets that a run materialized, each with its whole numbers."""
        return {
            "/".join(event["assetKey"]["path"]): {
                entry["label"]: entry["intValue"] for entry in event["metadataEntries"] if "intValue" in entry
            }
            for event in self.events_of(run_id)
            if event["__typename"] == "MaterializationEvent"
        }

    def leaks(self) -> list[str]:
        """Where a password turned up: in responses, or in anything that Dagster wrote."""
        right = str(conninfo_to_dict(self.dsn)["password"])
        files = [(str(path), path.read_bytes()) for path in self.home.rglob("*") if path.is_file()]
        files += [(f"response {number}", text.encode()) for number, text in enumerate(self.responses)]
        secrets = [right.encode(), WRONG_PASSWORD.encode(), LITERAL_PASSWORD.encode()]
        return [name for name, content in files if any(secret in content for secret in secrets)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def live(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A live server whose warehouse holds 100 rows in raw.events; at its end nothing may have leaked."""
    with psycopg.connect(server, autocommit=True) as session:
        session.execute("create database live")
    parts = conninfo_to_dict(server)
    dsn = f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/live"
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute("create schema raw")
        session.execute(
            "create table raw.events (event_id bigint primary key, name text, received_at timestamptz not null)"
        )
        session.execute(
            "insert into raw.events select n, 'e' || n, '2026-01-01 00:00Z' from generate_series(1, 100) as n"
        )
    running = LiveServer(tmp_path_factory.mktemp("dagster_home"), dsn)
    try:
        running.start()
        yield running
    finally:
        running.stop()
    assert running.leaks() == []

"""Servers that only the integration tests need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.s3 import Bucket, new_bucket, serve_s3


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an S3 server."""
    with serve_s3(tmp_path_factory.mktemp("moto") / "log") as url:
        yield url


@pytest.fixture
def s3_bucket(s3_endpoint: str) -> Bucket:
    """A new bucket on the S3 server."""
    return new_bucket(s3_endpoint)

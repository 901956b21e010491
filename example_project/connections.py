"""Where the shop's data lives: addresses come from the environment, so that no password stands here."""

from ematix_flow import ematix


@ematix.connection
class warehouse:  # noqa: N801 -- a connection is called like its class
    """The shop's PostgreSQL: the application's tables in schema `raw`, ours in `analytics`."""

    kind = "postgres"
    url = "${WAREHOUSE_DSN}"


@ematix.connection
class lake:  # noqa: N801 -- likewise
    """A folder of Delta tables: a path, or any object-store URL such as `s3://bucket/prefix`."""

    kind = "delta"
    url = "${LAKE_URL}"

"""`python -m ematix_flow plan | run | watermarks | declare`."""

from __future__ import annotations

import stamina

from ematix_flow.cli import main

# A run tells of its retries itself, and stamina's own hook would write among the results.
stamina.instrumentation.set_on_retry_hooks([])

if __name__ == "__main__":
    raise SystemExit(main())

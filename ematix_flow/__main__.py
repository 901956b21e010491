"""`python -m ematix_flow plan | run | watermarks | declare`."""

from __future__ import annotations

from ematix_flow.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

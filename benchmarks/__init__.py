"""What a transfer costs, beside the physical limit and the peers, in one run: `python -m benchmarks --help`."""

"""Ours, through what `ematix_flow` exports and nothing else."""

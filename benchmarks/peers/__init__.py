"""The others: each module makes its load as that tool's own documentation would have it, and imports nothing of ours."""

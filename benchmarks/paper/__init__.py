"""What the papers found, in miniature on the starter world: `python -m benchmarks.paper` (docs/results.md)."""

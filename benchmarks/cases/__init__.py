"""The benchmarks, one per module: `measure() -> Result`."""

"""The benchmarks, one in each module: `measure() -> Result`."""

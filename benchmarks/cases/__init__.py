"""One benchmark a module: `measure() -> Result`."""

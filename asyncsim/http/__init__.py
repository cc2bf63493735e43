"""HTTP: requests, credentials, concurrency, retries."""

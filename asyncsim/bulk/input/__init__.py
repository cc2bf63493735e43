"""The input of a job: files and iterables to rows."""

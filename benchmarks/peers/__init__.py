"""The contenders, each used as its documentation shows."""

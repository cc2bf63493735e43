"""The contenders, each as its documentation has it."""

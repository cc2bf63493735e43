from __future__ import annotations

import pickle

from asyncsim.bulk.errors import JournalFailed


def test_an_error_that_ends_a_command_ends_with_its_advice() -> None:
    failed = JournalFailed("the server's disk is full", "then run the same command again")
    for error in (failed, pickle.loads(pickle.dumps(failed))):
        assert str(error) == "the server's disk is full; then run the same command again"
        assert error.message == "the server's disk is full"
    assert str(JournalFailed("the URL is not valid", "")) == "the URL is not valid"

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from asyncsim import Client
from asyncsim.bulk.actions import Action
from asyncsim.bulk.send import SendPacer
from asyncsim.core.shared_limit import LimitReport, SharedTotal


@pytest.mark.parametrize("action", [Action.SEND, Action.UPDATE])
async def test_a_share_of_none_of_the_permits_holds_a_job_up_no_longer_than_it_lasts(
    action: Action,
) -> None:
    total = SharedTotal(1.0)
    for _ in range(2):  # the other process has the only permit
        total.exchange("another", LimitReport(demand=9), 0.0)
    async with Client.twilio("AC" + 32 * "0", "secret") as client:
        limiter: Any = client.context._limiter
        lease = limiter.share(lambda: None)
        lease.granted(total.exchange("me", lease.report(9), 0.0), 0.0)
        lease.granted(total.exchange("me", lease.report(9), 0.1), 0.1)
        assert client.concurrency_limit == 0
        task: Any = SimpleNamespace(context=client.context, action=action)
        async with asyncio.timeout(10):
            await SendPacer(task).wait()

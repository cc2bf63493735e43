import marimo

__generated_with = "0.23.0"
app = marimo.App(width="medium")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    return (mo,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # Choosing a waiting strategy

    An update is accepted at once and carried out later. How do you learn that a SIM has settled? By
    callbacks, by sweeps (one list request that covers many pending SIMs), or by reading each SIM.
    This notebook activates the same 200 SIMs in four ways and compares what each costs in requests,
    and how late it notices.
    """)
    return


@app.cell
def _():
    import altair as alt
    import polars as pl

    import asyncsim
    from asyncsim import plots
    from asyncsim.emulator import Emulator, Faults, Latency

    return Emulator, Faults, Latency, alt, asyncsim, pl, plots


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The emulator is twenty times as fast as the vendors. The settings of `Watching` are divided by
    twenty as well, so that the proportions are those of a real account; the results below are
    multiplied by twenty.
    """)
    return


@app.cell
def _(Emulator, Latency, asyncsim):
    SPEED = 20
    SIMS = 200
    usual = {
        "first": 1.0 / SPEED,
        "longest": 30.0 / SPEED,
        "sweep_every": 2.0 / SPEED,
        "safety_every": 15.0 / SPEED,
    }

    async def measure(watching, *, listens=False, **world):
        """Activate the SIMs of a new emulator; return the outcomes and the number of requests."""
        latency = Latency(transition=20.0, sigma=0.3)
        receiver = asyncsim.CallbackReceiver() if listens else None
        async with (
            Emulator(sims=SIMS, speed=SPEED, latency=latency, seed=5, **world) as emulator,
            emulator.client(receiver=receiver, watching=watching) as client,
        ):
            sims = client.supersim.sims
            changes = {sim.sid: {"status": "active"} async for sim in sims.list()}
            before = client.requests
            updates = sims.update_many(changes, timeout=120, progress=True)
            outcomes = [one async for one in updates]
            return outcomes, client.requests - before

    return SPEED, measure, usual


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1. Callbacks

    The vendor calls back when a SIM has settled. A slow sweep stays on as a safeguard.
    """)
    return


@app.cell
async def _(asyncsim, measure, usual):
    by_callbacks = await measure(asyncsim.Watching(**usual), listens=True)
    return (by_callbacks,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2. Callbacks, a third of them lost

    A proxy is restarted, a deployment takes a minute: callbacks get lost, and the vendor does not
    repeat them for long.
    """)
    return


@app.cell
async def _(Faults, asyncsim, measure, usual):
    by_some_callbacks = await measure(
        asyncsim.Watching(**usual), listens=True, faults=Faults(lost_callbacks=0.33, seed=5)
    )
    return (by_some_callbacks,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3. Sweeps

    Without a receiver, which needs a public URL, the client sweeps. This is the default.
    """)
    return


@app.cell
async def _(asyncsim, measure, usual):
    by_sweeps = await measure(asyncsim.Watching(**usual))
    return (by_sweeps,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4. Reading each SIM

    With `sweep_from` above the number of SIMs the client never sweeps: it reads each SIM, at growing
    intervals. That is what a loop of your own would do.
    """)
    return


@app.cell
async def _(asyncsim, measure, usual):
    by_reads = await measure(asyncsim.Watching(**usual, sweep_from=100_000))
    return (by_reads,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Compare

    Requests are those of the whole run, divided by the SIMs; the update itself is one of them.
    """)
    return


@app.cell
def _(SPEED, by_callbacks, by_reads, by_some_callbacks, by_sweeps, pl):
    strategies = {
        "callbacks": by_callbacks,
        "a third lost": by_some_callbacks,
        "sweeps": by_sweeps,
        "reads": by_reads,
    }
    table = pl.DataFrame(
        {
            "strategy": name,
            "settled": sum(one.ok for one in outcomes),
            "requests per SIM": round(requests / len(outcomes), 2),
            "median, s": round(
                SPEED * sorted(one.seconds for one in outcomes)[len(outcomes) // 2], 1
            ),
            "slowest, s": round(SPEED * max(one.seconds for one in outcomes), 1),
        }
        for name, (outcomes, requests) in strategies.items()
    )
    table
    return strategies, table


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    `plots.settling` compares groups of outcomes. Lines further left notice earlier; a sweep notices
    many SIMs at once, so its line has steps.
    """)
    return


@app.cell
def _(plots, strategies):
    plots.settling({name: outcomes for name, (outcomes, _) in strategies.items()})
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    A plot of your own needs only the rows, here for requests against the median delay.
    """)
    return


@app.cell
def _(alt, table):
    (
        alt.Chart(table)
        .mark_bar(color="#5b8fd6", height={"band": 0.6})
        .encode(
            x=alt.X("requests per SIM:Q"),
            y=alt.Y("strategy:N", title=None, sort=None),
            tooltip=["strategy", "requests per SIM", "median, s", "slowest, s"],
        )
        .properties(width=560, height=160, background="transparent")
        .configure_view(strokeOpacity=0)
        .configure_axis(labelColor="#8a929b", titleColor="#8a929b", gridOpacity=0.2)
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Choose

    - **Callbacks** notice first and cost least. They need a URL that the vendor can reach.
    - **Lost callbacks** cost delay, never a SIM: the safeguard finds what they would have said.
    - **Sweeps** need no URL. One request covers up to 1,000 pending SIMs, so their cost per SIM
      falls with the size of the batch.
    - **Reads** are for a handful of SIMs. For many they cost the most requests, and the intervals
      that spare requests are the delay.
    """)
    return


@app.cell
def _(table):
    assert table["settled"].to_list() == [200, 200, 200, 200]
    _cost = dict(zip(table["strategy"], table["requests per SIM"], strict=True))
    assert _cost["callbacks"] < 1.5
    assert _cost["sweeps"] < _cost["reads"]
    return


if __name__ == "__main__":
    app.run()

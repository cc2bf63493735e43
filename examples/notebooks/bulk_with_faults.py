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
    # A bulk experiment with faults

    A bulk job activates 300 SIMs while the vendor misbehaves: it throttles, loses callbacks, and
    fails some of the changes. The emulator produces these faults, the same ones each time, because
    they follow from `seed`. Change the numbers and run the notebook again.
    """)
    return


@app.cell
def _():
    import tempfile
    from pathlib import Path

    import asyncsim
    from asyncsim import bulk, plots
    from asyncsim.emulator import Emulator, Faults
    from asyncsim.observers import Recorder

    return Emulator, Faults, Path, Recorder, asyncsim, bulk, plots, tempfile


@app.cell
async def _(Emulator, Faults):
    faults = Faults(
        concurrency=30,  # requests at once; one more gets a 429
        answer_takes=0.1,  # seconds, before each response
        lost_callbacks=0.3,
        failing_updates=0.02,  # changes that settle in their old status
        seed=11,
    )
    emulator = await Emulator(sims=300, speed=20, faults=faults, seed=11).start()
    emulator
    return (emulator,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The client listens for callbacks. Where one is lost, it finds out by itself: a *sweep* is one list
    request that covers up to 1,000 pending SIMs. `Watching` says how often; the emulator is twenty
    times as fast as the vendors, so the usual seconds are divided by twenty.
    """)
    return


@app.cell
def _(Recorder, asyncsim, emulator):
    recorder = Recorder()
    client = emulator.client(
        receiver=asyncsim.CallbackReceiver(),
        observers=[recorder],
        watching=asyncsim.Watching(
            first=0.05, longest=1.5, sweep_every=0.1, safety_every=0.75, stale_for=0.5
        ),
    )
    return client, recorder


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Plan first

    A job keeps a journal in a file. A dry run reads the SIMs and says what a run would do.
    """)
    return


@app.cell
async def _(Path, bulk, client, tempfile):
    folder = Path(tempfile.mkdtemp())
    iccids = [sim.iccid async for sim in client.supersim.sims.list()]
    job = bulk.Job.from_rows(iccids, product="supersim", change={"status": "active"})
    async with bulk.Journal.open(folder / "plan.db") as _journal:
        planned = await bulk.run(job, client, journal=_journal, dry_run=True)
    {verdict.value: count for verdict, count in planned.plan.verdicts.items()}
    return folder, job, planned


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Run

    Interrupt the cell whenever you like, and run it again: it resumes from its journal, and no SIM is
    updated twice.
    """)
    return


@app.cell
async def _(bulk, client, folder, job, recorder):
    recorder.clear()
    async with bulk.Journal.open(folder / "batch.db") as _journal:
        report = await bulk.run(job, client, journal=_journal, observers=[recorder], progress=True)
    return (report,)


@app.cell
def _(report):
    report
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What happened

    The plot has the SIMs by state. Those whose callback was lost stay `accepted` until a sweep
    finds them.
    """)
    return


@app.cell
def _(plots, recorder):
    plots.timeline(recorder)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Callbacks come one by one. A sweep finds many SIMs at once: its line has steps.
    """)
    return


@app.cell
def _(plots, recorder):
    plots.settling(recorder)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The client does not know how many requests the vendor accepts at once. It finds out: a 429 lowers
    its concurrency limit to just below what was in flight, and responses raise it again. A throttled
    request was never processed, so it is resent.
    """)
    return


@app.cell
def _(plots, recorder):
    plots.limit(recorder)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The numbers behind the plots are plain rows, which polars and pandas take as they are. So are the
    rows of the job.
    """)
    return


@app.cell
async def _(report):
    rows = await report.to_polars()
    by_state = rows.group_by("state", "settled_by").len().sort("len", descending=True)
    by_state
    return (by_state,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Repair

    The report groups what went wrong by its cause, and says what to do.
    """)
    return


@app.cell
def _(report):
    causes = {one.reason: one.rows for one in report.shortfalls}
    causes
    return (causes,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Suppose that the vendor has repaired the cause. A second run with `retry_failed` sends the failed
    changes again, and only those.
    """)
    return


@app.cell
async def _(Faults, bulk, client, emulator, folder, job, report):
    failed = report.rows - report.states["done"]
    emulator.faults = Faults()
    async with bulk.Journal.open(folder / "batch.db") as _journal:
        repaired = await bulk.run(job, client, journal=_journal, retry_failed=True, progress=True)
    return failed, repaired


@app.cell
def _(repaired):
    repaired
    return


@app.cell
async def _(by_state, causes, client, emulator, failed, planned, repaired):
    await client.close()
    await emulator.stop()
    assert planned.plan.rows == 300
    assert 0 < failed < 30
    assert sum(causes.values()) == failed
    assert by_state["len"].sum() == 300
    assert repaired.ok
    return


if __name__ == "__main__":
    app.run()

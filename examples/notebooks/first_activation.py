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
    # First activation

    This notebook activates a Super SIM, then twenty of them, and shows what the vendor and the SDK
    do meanwhile. It needs no account: an emulator of Twilio and KORE runs inside the notebook, twenty
    times as fast as the vendors.
    """)
    return


@app.cell
def _():
    import asyncsim
    from asyncsim import plots
    from asyncsim.emulator import Emulator
    from asyncsim.observers import Recorder

    return Emulator, Recorder, asyncsim, plots


@app.cell
async def _(Emulator, Recorder):
    emulator = await Emulator(sims=40, speed=20, seed=3).start()
    recorder = Recorder()
    client = emulator.client(observers=[recorder])
    sims = client.supersim.sims
    client
    return client, emulator, recorder, sims


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    With an account of your own, the cell above would be `client = await asyncsim.connect()`, which
    finds the credentials in the environment. Everything below would stay the same.

    ## One SIM

    A new SIM is in status `new`. The response to an update does not say that it is active: it says
    `scheduled`, because the vendor carries the change out later.
    """)
    return


@app.cell
async def _(sims):
    page = await sims.list(status="new", limit=40)
    page
    return (page,)


@app.cell
async def _(page, sims):
    accepted = await sims.update(page[0].sid, status="active")
    accepted.status
    return (accepted,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    `await_transition` waits until the SIM has settled. It reads the SIM now and then; with a
    callback receiver it would be told.
    """)
    return


@app.cell
async def _(accepted, sims):
    active = await sims.await_transition(accepted, timeout=60)
    active.status
    return (active,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The emulator has logged what that took: one POST, and a few reads.
    """)
    return


@app.cell
def _(active, emulator):
    requests = [
        f"{one.method} {one.path} {one.status}"
        for one in emulator.requests
        if active.sid in one.path
    ]
    requests
    return (requests,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What cannot work is not sent

    A typo is found before anything is sent.
    """)
    return


@app.cell
async def _(active, sims):
    try:
        await sims.update(active.sid, status="activ")
    except ValueError as error:
        typo = str(error)
    typo
    return (typo,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Twenty SIMs

    `update_many` sends many changes at once and yields an outcome for each SIM as it settles. Nothing
    is raised for a single SIM: its outcome has the error. Interrupt the cell and run it again if you
    like: it goes on.
    """)
    return


@app.cell
async def _(page, recorder, sims):
    recorder.clear()
    changes = {sim.sid: {"status": "active"} for sim in page[1:21]}
    outcomes = [one async for one in sims.update_many(changes, timeout=60, progress=True)]
    return (outcomes,)


@app.cell
def _(outcomes):
    slowest = max(outcomes, key=lambda one: one.seconds)
    figures = {
        "settled": sum(one.ok for one in outcomes),
        "requests per SIM": sum(one.requests for one in outcomes) / len(outcomes),
        "seconds of the slowest": round(slowest.seconds, 1),
    }
    figures
    return (figures,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    All twenty were accepted at once. Then each waited for the vendor, which takes a few seconds for
    most SIMs and much longer for a few.
    """)
    return


@app.cell
def _(plots, recorder):
    plots.timeline(recorder)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Close

    A client that is left open says so when the notebook ends.
    """)
    return


@app.cell
async def _(client, emulator, figures, requests, typo):
    await client.close()
    await emulator.stop()
    assert figures["settled"] == 20
    assert requests[0].startswith("POST")
    assert "did you mean 'active'?" in typo
    return


if __name__ == "__main__":
    app.run()

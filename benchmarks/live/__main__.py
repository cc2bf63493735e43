"""`python -m benchmarks.live OPTIONS` (JSON): serve on a free port, which is printed."""

from __future__ import annotations

import json
import sys

from benchmarks.live.account import Account, Pace
from benchmarks.live.protocol import Serving
from benchmarks.stub.protocol import serve

options = json.loads(sys.argv[1])
phases = tuple((start, many) for start, many in options.pop("phases"))
ours, others, seed = (options.pop(name) for name in ("ours", "others", "seed"))
serve(Serving(Account(ours, others, Pace(phases=phases, **options), seed)))

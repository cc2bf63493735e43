"""Serve on a free port, which is printed.

`CERTIFICATE OPTIONS`: the file of a certificate, or nothing for plain HTTP; JSON.
"""

from __future__ import annotations

import json
import sys

from benchmarks.live.account import Account, Pace
from benchmarks.live.protocol import VendorHandler
from benchmarks.stub.protocol import serve

certificate, options = sys.argv[1], json.loads(sys.argv[2])
phases = tuple((start, many) for start, many in options.pop("phases"))
ours, others, seed = (options.pop(name) for name in ("ours", "others", "seed"))
serve(VendorHandler(Account(ours, others, Pace(phases=phases, **options), seed)), certificate)

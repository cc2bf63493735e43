"""One case of the benchmark `fan_out` at real sockets, alone in its process; prints JSON.

`CASE`, as JSON: the keywords of `benchmarks.live.updates.fan_out`.
"""

from __future__ import annotations

import json
import sys
import time

from attrs import asdict

from benchmarks.live.updates import fan_out

sent = fan_out(**json.loads(sys.argv[1]))
print(json.dumps({**asdict(sent), "cpu": time.process_time()}))

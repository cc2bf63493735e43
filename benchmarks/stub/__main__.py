"""Serve on a free port, which is printed, until the process is ended.

Serves canned responses; with a vendor's terms as JSON, that vendor.
"""

from __future__ import annotations

import json
import sys

from benchmarks.stub.protocol import canned, serve
from benchmarks.stub.vendor import Terms, Vendor

certificate, *terms = sys.argv[1:]
serve(Vendor(Terms(**json.loads(terms[0]))) if terms else canned, certificate)

"""Schemathesis over one surface of the server in COMFY_BASE_URL: `ours` or `contract`.

Every answer must have a documented status, content type, headers and body, and none may be a failure of
ours. The seed is fixed and the examples are counted, so that a run repeats; FUZZ_EXAMPLES and FUZZ_SEED
change them. What it finds is printed as a request that repeats it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from surfaces import contract

surface, key, folder = sys.argv[1:]
BASE = os.environ["COMFY_BASE_URL"]
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "8")
SEED = os.environ.get("FUZZ_SEED", "1")
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]

spec = contract() if surface == "contract" else httpx.get(f"{BASE}/openapi.json").json()
path = Path(folder) / f"{surface}.json"
path.write_text(json.dumps({**spec, "servers": [{"url": BASE}]}))
command = [Path(sys.executable).parent / "schemathesis", "run", path]
command += ["--url", BASE, "--header", f"Authorization: Bearer {key}"]
command += ["--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS)]
command += ["--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none"]
command += ["--continue-on-failure", "--no-shrink", "--workers", "2", "--request-timeout", "30"]
command += ["--report", "ndjson", "--report-ndjson-path", Path(folder) / f"{surface}.ndjson"]
# The contract's operations are asked as the contract says; of ours, what it does not have.
if surface == "ours":
    command += ["--exclude-path-regex", "^/api/v2/(assets|jobs/)"]
sys.exit(subprocess.run([str(part) for part in command], cwd=folder).returncode)

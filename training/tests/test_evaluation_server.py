"""The server that an evaluation starts: it never outlives the evaluation."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

_SERVER = """
import { createServer } from 'node:http';
const port = Number(process.argv[process.argv.indexOf('--port') + 1]);
createServer((_, response) => response.end(JSON.stringify({ state: 'ready' })))
  .listen(port, '127.0.0.1');
"""
_EVALUATION = """
import sys, time
from pathlib import Path
from mumu_training.evaluation.server import mumu_server
folder = Path(sys.argv[1])
with mumu_server("mini", folder / "log", folder) as address:
    print(address, flush=True)
    time.sleep(60)
"""


def test_sigterm_stops_the_server_too(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "mumu.mjs").write_text(_SERVER)
    evaluation = subprocess.Popen(
        [sys.executable, "-c", _EVALUATION, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert evaluation.stdout is not None
        address = evaluation.stdout.readline().strip()
        assert requests.get(f"{address}/healthz", timeout=10).json() == {"state": "ready"}
        evaluation.send_signal(signal.SIGTERM)
        assert evaluation.wait(30) == 128 + signal.SIGTERM
    finally:
        evaluation.kill()
        evaluation.wait()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{address}/healthz", timeout=10)

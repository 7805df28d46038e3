"""A mumu of our own to ask: `mumu chat` with one pack, started on a free port and ended after."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

_REPOSITORY = Path(__file__).resolve().parents[4]
_START_SECONDS = 600.0
"""A first start builds the pack."""
# An evaluation asks thousands of things as one user: the limits that protect a bot are lifted.
_LIMITS = {
    "MUMU_ACTIVE_JOBS": "1000",
    "MUMU_JOBS_PER_HOUR": "1000000",
    "MUMU_MUSIC_SECONDS_PER_DAY": "10000000",
}


class ServerFailed(Exception):
    """The server did not start; the message says what it said last."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mumu_server(pack: str, log: Path, repository: Path = _REPOSITORY) -> Iterator[str]:
    """Run `mumu chat --pack NAME` and give its address; it is stopped at the end, by SIGTERM too.

    Args:
        log: file for what the server says.

    Raises:
        ServerFailed: it ended or was not ready in ten minutes.
        FileNotFoundError: Node.js is not installed.
    """
    port = _free_port()
    environment = os.environ | _LIMITS
    command = ["node", "scripts/mumu.mjs", "chat", "--port", str(port), "--pack", pack]
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as stream, _sigterm_unwinds():
        process = subprocess.Popen(
            command, cwd=repository, env=environment, stdout=stream, stderr=stream
        )
        try:
            _wait(process, address, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """SIGTERM ends this process as Ctrl-C does, by an exception: the server must not outlive it.

    Only in the main thread, the only one that signals reach.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            health = requests.get(f"{address}/healthz", timeout=10).json()
        except (requests.ConnectionError, requests.Timeout):
            health = {"state": "starting"}
        if health["state"] == "ready":
            return
        if health["state"] == "failed":
            raise ServerFailed(health["error"]["message"])
        time.sleep(0.5)
    last = log.read_text(errors="replace").replace("\r", "\n").strip().splitlines()[-1:]
    raise ServerFailed(f"mumu did not start: {' '.join(last) or 'no word from it'}")

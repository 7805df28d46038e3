"""A small client of the local page's HTTP interface (docs/http.md): post a request, await its result."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests


class RequestFailed(Exception):
    """The server answered a request with an error; the message is the server's sentence."""

    def __init__(self, message: str, code: str | None = None) -> None:
        """`code` is the server's (docs/http.md), None where the answer was none of its errors."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Answer:
    """Result of one request as the server sent it (src/contracts/result.ts)."""

    text: str
    files: list[dict[str, Any]]
    seed: int
    timings: dict[str, float]
    caption: str | None
    conversation: str
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Query:
    """A request to make: arguments of MumuClient.ask."""

    command: str
    text: str = ""
    files: list[Path] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


class MumuClient:
    """Talks to one server. Every request gets a conversation of its own unless one is given."""

    def __init__(self, server: str, timeout: float = 600.0, parallel: int = 3) -> None:
        """`parallel`: requests under way at once in ask_all; the server works on one by one, but
        uploads and replies need not be waited for."""
        self.server = server.rstrip("/")
        self.timeout = timeout
        self.parallel = parallel
        self._local = threading.local()

    @property
    def session(self) -> requests.Session:
        """Connections of the calling thread."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session

    def pack(self) -> str:
        """Name of the pack that answers.

        Raises:
            RequestFailed: the server is not ready.
            requests.RequestException: the server cannot be reached.
        """
        health = self.session.get(f"{self.server}/healthz", timeout=self.timeout).json()
        if health["state"] != "ready":
            raise RequestFailed(f"{self.server} is not ready: {health['state']}.")
        return str(health["pack"])

    def ask_all(self, queries: Iterable[Query]) -> list[Answer]:
        """Answers of several requests, in their order; errors as of `ask`."""
        with ThreadPoolExecutor(self.parallel) as pool:
            return list(
                pool.map(lambda q: self.ask(q.command, q.text, q.files, q.options), queries)
            )

    def ask(
        self,
        command: str,
        text: str = "",
        files: list[Path] | None = None,
        options: dict[str, Any] | None = None,
        conversation: str | None = None,
    ) -> Answer:
        """Send one request and wait for its end.

        Raises:
            RequestFailed: the request was refused or its job failed.
            requests.RequestException: the server cannot be reached.
        """
        conversation = conversation or secrets.token_hex(16)
        form = {
            "conversation": conversation,
            "command": command,
            "text": text,
            "options": json.dumps(options or {}),
        }
        parts: list[tuple[str, tuple[str | None, Any]]] = [
            (name, (None, value)) for name, value in form.items()
        ]
        parts += [("file", (path.name, path.read_bytes())) for path in files or []]
        response = self.session.post(
            f"{self.server}/api/requests", files=parts, timeout=self.timeout
        )
        body = response.json()
        if not response.ok:
            raise RequestFailed(body["error"]["message"], body["error"]["code"])
        return self._await(body["id"], conversation)

    def _await(self, job: str, conversation: str) -> Answer:
        url = f"{self.server}/api/requests/{job}/events"
        with self.session.get(url, stream=True, timeout=self.timeout) as stream:
            name = ""
            for raw in stream.iter_lines():
                line = raw.decode()
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: ") and name in ("result", "error"):
                    data = json.loads(line[6:])
                    if name == "error":
                        raise RequestFailed(data["message"], data["code"])
                    return Answer(
                        data["text"],
                        data["files"],
                        data["seed"],
                        data["timings"],
                        data.get("caption"),
                        conversation,
                        data.get("notes", []),
                    )
        raise RequestFailed("The server closed the stream before the result came.")

    def download(self, answer: Answer, index: int, folder: Path) -> Path:
        """Save a result's file and return its path."""
        file = answer.files[index]
        response = self.session.get(
            f"{self.server}/api/files/{file['key']}",
            params={"conversation": answer.conversation},
            timeout=self.timeout,
        )
        response.raise_for_status()
        path = folder / f"{file['key'][:16]}-{Path(file['name']).name}"
        path.write_bytes(response.content)
        return path

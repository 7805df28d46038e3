"""A small client of the local page's HTTP interface (docs/http.md): post a request, await its result."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests


class RequestFailed(Exception):
    """The server answered a request with an error; the message is the server's sentence."""


@dataclass(frozen=True)
class Answer:
    """Result of one request as the server sent it (src/contracts/result.ts)."""

    text: str
    files: list[dict[str, Any]]
    seed: int
    timings: dict[str, float]
    caption: str | None
    conversation: str


class MumuClient:
    """Talks to one server. Every request gets a conversation of its own unless one is given."""

    def __init__(self, server: str, timeout: float = 600.0) -> None:
        self.server = server.rstrip("/")
        self.timeout = timeout
        self.session = requests.Session()

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
            raise RequestFailed(body["error"]["message"])
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
                        raise RequestFailed(data["message"])
                    return Answer(
                        data["text"],
                        data["files"],
                        data["seed"],
                        data["timings"],
                        data.get("caption"),
                        conversation,
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

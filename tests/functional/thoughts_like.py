"""An application like the reference Thoughts Backend: it knows one public key, in one file.

It reads the file once, when it starts, verifies with PyJWT, and answers with the claims that it
believes, or 401. It is a process of its own: ``python -m tests.functional.thoughts_like PORT FILE
ALGORITHM FIELD`` says when it is ready.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt


class Thoughts(BaseHTTPRequestHandler):
    """``public_key``, ``algorithm`` and ``field`` are set on the class."""

    protocol_version = "HTTP/1.1"
    public_key = ""
    algorithm = ""
    field = ""

    def do_GET(self) -> None:
        values = self.headers.get_all(self.field) or []
        status, document = self._judge(values)
        document["fields"] = self.headers.items()
        document["target"] = self.path
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _judge(self, values: list[str]) -> tuple[int, dict[str, Any]]:
        if len(values) != 1:
            return 401, {"why": f"{len(values)} tokens"}
        token = values[0].removeprefix("Bearer ")
        try:
            claims = jwt.decode(
                token,
                self.public_key,
                [self.algorithm],
                options={"require": ["exp", "iat"], "verify_aud": False},
            )
        except jwt.InvalidTokenError as error:
            return 401, {"why": type(error).__name__}
        return 200, {"claims": claims, "kid": jwt.get_unverified_header(token).get("kid")}

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  its name there
        """Say nothing."""


def main() -> None:
    """Serve until the end of this process."""
    port, path, Thoughts.algorithm, Thoughts.field = sys.argv[1:]
    Thoughts.public_key = Path(path).read_text()
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Thoughts)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()

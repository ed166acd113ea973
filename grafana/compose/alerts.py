"""Whom Alertmanager tells: prints each alert that it brings, one line for each."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST = 1 << 20  # bytes


def words(alert: dict[str, dict[str, str]], status: str) -> str:
    labels = alert["labels"]
    summary = alert["annotations"].get("summary", labels["alertname"])
    return f"{status:8} {labels['severity']:8} {summary}".encode("unicode_escape").decode()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if not 0 < size <= MOST:
            self.send_error(413)
            return
        for alert in json.loads(self.rfile.read(size))["alerts"]:
            sys.stdout.write(words(alert, alert["status"]) + "\n")
        sys.stdout.flush()
        self.send_response(204)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()  # noqa: S104 - within the containers' network

"""Log lines on standard error: one JSON object each, or plain text for people.

Rooms log sentences through the standard library, with data in ``extra={"data": {...}}``; this is
where they become lines. Configured once by ``app.lifecycle``.
"""

import json
import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any

from sidecar.config.settings import LogSettings


class JsonLines(logging.Formatter):
    """One line of JSON a record: ``time`` (RFC 3339), ``level``, ``room``, ``message``, data."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "room": record.name.removeprefix("sidecar."),
            "message": record.getMessage(),
        }
        line.update(getattr(record, "data", {}))
        if record.exc_info:
            line["fault"] = where_it_failed(record.exc_info[1])
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        data = " ".join(f"{name}={value}" for name, value in getattr(record, "data", {}).items())
        room = record.name.removeprefix("sidecar.")
        line = (
            f"{moment} {record.levelname.lower():7} {room:8} {record.getMessage()} {data}".rstrip()
        )
        if record.exc_info:
            line += f" ({where_it_failed(record.exc_info[1])})"
        return line.replace("\n", "\\n").replace("\r", "\\r")


def where_it_failed(error: BaseException | None) -> str:
    """The kind of an unforeseen error and the places it passed.

    Its text is left out: that could quote what a client sent.
    """
    if error is None:
        return "unknown"
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} in {places}"


def configure_logs(settings: LogSettings) -> None:
    """Send the records of every room to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("sidecar").setLevel(settings.level.upper())
    # aiohttp logs what clients of the admin port send; a warning of its own says nothing new.
    logging.getLogger("aiohttp").setLevel(logging.ERROR)
    logging.raiseExceptions = False
    access = logging.getLogger("sidecar.access")
    access.setLevel(logging.INFO if settings.access != "off" else logging.CRITICAL)

"""What options are written as: spans and moments of time, as the configuration has them."""

from typing import Any

import click

from sidecar.errors import ConfigError


class Duration(click.ParamType[float]):
    """``30s``, ``2m``, ``72h``: seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from sidecar.config.quantities import parse_duration

        try:
            return parse_duration(0 if value == 0 else value)
        except ConfigError as error:
            self.fail(error.detail, param, ctx)


class Moment(click.ParamType[float]):
    """An RFC 3339 time with its offset from UTC: unix seconds."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from sidecar.config.quantities import parse_time

        try:
            return parse_time(value)
        except ConfigError as error:
            self.fail(error.detail, param, ctx)

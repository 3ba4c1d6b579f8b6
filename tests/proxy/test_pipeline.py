"""What leads to a look for keys, besides the passing of time."""

from dataclasses import fields
from unittest.mock import Mock

import pytest

from sidecar.errors import Draining, KeysUnavailable, TokenMissing
from sidecar.proxy import pipeline
from sidecar.tokens.permit import Permit
from sidecar.tokens.rules import DEFAULT


def build(monkeypatch: pytest.MonkeyPatch, **parts: Mock) -> pipeline.Pipeline:
    """A pipeline of dummies that gets as far as to the judging of the token."""
    for stage in ("read_head", "read_body", "rescue"):
        monkeypatch.setattr(pipeline, stage, Mock())
    dummies = {field.name: Mock() for field in fields(pipeline.Pipeline)}
    dummies["limits"] = Mock(in_flight=0)
    dummies["version"] = Mock(paths=frozenset())
    dummies["recorder"].permitted.side_effect = Draining
    return pipeline.Pipeline(**{**dummies, **parts})


@pytest.mark.parametrize("mode", ["enforce", "observe"])
async def test_a_request_that_no_key_could_judge_hurries_the_next_look(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    authorizer = Mock()
    if mode == "enforce":
        authorizer.permit.side_effect = KeysUnavailable
    else:
        authorizer.permit.return_value = Permit(DEFAULT, refusal=KeysUnavailable())
    unknown_keys = Mock()
    await build(monkeypatch, authorizer=authorizer, unknown_keys=unknown_keys).serve(Mock())
    unknown_keys.note.assert_called_once_with()


async def test_a_request_without_a_token_hurries_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown_keys = Mock()
    authorizer = Mock(permit=Mock(side_effect=TokenMissing))
    await build(monkeypatch, authorizer=authorizer, unknown_keys=unknown_keys).serve(Mock())
    unknown_keys.note.assert_not_called()

"""Errors say what, where and what next, and survive a process boundary."""

from __future__ import annotations

import copy

import pytest

from osf_pipeline.errors import InputDataError, InterruptedRunError, OsfError, PartialError, RequestError


def test_the_message_names_place_value_and_next_step() -> None:
    error = InputDataError("NaN in a channel", fix="Render the frame again.", frame=1007, channel="depth.Z", file=None)
    assert str(error) == "NaN in a channel (frame=1007, channel=depth.Z). Render the frame again."
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("kind", [OsfError, RequestError, InputDataError, PartialError, InterruptedRunError])
def test_an_error_crosses_a_process_boundary(kind: type[OsfError]) -> None:
    error = kind("bad", fix="Mend it.", frame=3, size=(4, 5))
    for twin in (OsfError.from_json(error.to_json()), copy.copy(error)):
        assert type(twin) is kind
        assert (twin.what, twin.fix, twin.where["frame"]) == ("bad", "Mend it.", 3)
        assert twin.exit_code == error.exit_code


def test_exit_codes_are_those_documented() -> None:
    codes = {
        kind.__name__: kind.exit_code for kind in (RequestError, InputDataError, PartialError, InterruptedRunError)
    }
    assert codes == {"RequestError": 2, "InputDataError": 3, "PartialError": 4, "InterruptedRunError": 5}

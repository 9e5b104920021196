import importlib
import sys

import pytest

from osf_pipeline.bench import code
from osf_pipeline.bench.methods.untrained import RawRender
from osf_pipeline.bench.ours import Ours

SOURCE = '"""What it is."""\n\n\ndef double(x):\n    """Twice."""\n    return 2 * x  # a comment\n'


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "some_methods"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest(source):
        (folder / "one.py").write_text(source)
        importlib.invalidate_caches()
        code._digest.cache_clear()
        return code.digest(["some_methods"])

    yield digest
    code._digest.cache_clear()
    sys.modules.pop("some_methods", None)


def test_words_and_layout_do_not_change_a_digest(package):
    bare = "def double(x):\n\n    'Otherwise put.'\n    return (2 *\n        x)\n"
    assert package(SOURCE) == package('"""Said otherwise."""\n' + bare)


def test_code_does(package):
    assert package(SOURCE) != package(SOURCE.replace("2 * x", "3 * x"))


def test_code_counts_as_it_was_when_a_run_began(monkeypatch):
    asked = []
    monkeypatch.setattr(code, "_digest", lambda module: asked.append(module) or b"")
    code.take_note()
    for method in (RawRender(), Ours()):
        assert {*code.FIT, *code.FLOW, *code.DRAW, *code.MEASURE, code.of_object(method)} <= set(asked)


def test_a_baseline_counts_with_its_room_and_ours_with_its_module():
    assert code.of_object(RawRender()) == "osf_pipeline.bench.methods"
    assert code.of_object(Ours()) == "osf_pipeline.bench.ours"

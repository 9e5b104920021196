"""The groups against the rules that the code really uses."""

from __future__ import annotations

import ast
from pathlib import Path

import osf_pipeline
from osf_pipeline.validate.catalogue import PIXELS, group_of

LIBRARY = Path(osf_pipeline.__file__).parent


def rules_of(file: str) -> set[str]:
    """Names of the rules in a module: first arguments of `Finding(...)`, and `rule="..."` of errors."""
    found = set()
    for node in ast.walk(ast.parse((LIBRARY / file).read_text())):
        if isinstance(node, ast.Call):
            named = [keyword.value for keyword in node.keywords if keyword.arg == "rule"]
            if isinstance(node.func, ast.Name) and node.func.id == "Finding":
                named += node.args[:1]
            found |= {str(value.value) for value in named if isinstance(value, ast.Constant)}
    return found


def test_every_pixel_rule_is_grouped_and_no_name_is_dead() -> None:
    assert rules_of("validate/frames.py") | rules_of("exr/convert.py") == set(PIXELS)


def test_motion_rules_are_motion() -> None:
    found = rules_of("validate/motion.py")
    assert found
    assert {group_of(rule) for rule in found} == {"motion"}


def test_preflight_rules_concern_the_files() -> None:
    found = rules_of("validate/files.py") | rules_of("exr/header.py") | rules_of("exr/sequence.py")
    assert {"gap", "duplicate", "size_change", "deep"} <= found
    assert {group_of(rule) for rule in found} == {"files"}

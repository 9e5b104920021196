"""The catalogue against the rules that the code really uses, the page about them, and the fixtures that must fail."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import osf_pipeline
from osf_pipeline.config import Source
from osf_pipeline.validate.catalogue import GROUPS, RULES, group_of

LIBRARY = Path(osf_pipeline.__file__).parent
REPOSITORY = LIBRARY.parent


def rules_of(path: Path) -> set[str]:
    """Names of the rules in a module: arguments of `Finding(...)`, `.finding(...)` and `rule=`, and `RULE = ...`."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            found += [keyword.value for keyword in node.keywords if keyword.arg == "rule"]
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            found += node.args[:1] if name in ("Finding", "finding") else []
            found += node.args[2:3] if name == "damaged" else []  # of `exr.chunks`
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "RULE":
            found.append(node.value)
    return {value.value for value in found if isinstance(value, ast.Constant) and isinstance(value.value, str)}


def test_the_catalogue_names_the_rules_of_the_code_and_no_others() -> None:
    used = {rule for path in LIBRARY.rglob("*.py") for rule in rules_of(path)}
    assert used | {"decode", "header"} == set(RULES)  # the defaults where an error names no rule


def test_groups_are_where_rules_live() -> None:
    groups = {"files": "files", "color": "files", "stored": "pixels", "edges": "pixels", "geometry": "pixels",
              "frames": "pixels", "neighbours": "pixels", "motion": "motion"}  # fmt: skip
    assert {rule.group for rule in RULES.values()} == set(GROUPS)
    for module, group in groups.items():
        found = rules_of(LIBRARY / "validate" / f"{module}.py")
        # Repetition is found in pictures, and so on; only Cryptomattes and ids are judged in `exr`.
        assert {group_of(rule) for rule in found} == ({group} if found else set()), module
    assert group_of("somebody-elses") == "files"


def test_the_page_explains_every_rule_and_no_others() -> None:
    page = (REPOSITORY / "docs" / "validation.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", page, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(RULES)
    for name, text in rows:
        assert ("`accept`" in text) == RULES[name].judges, name


def test_only_judgements_can_be_accepted() -> None:
    assert Source(accept=("alpha_straight",)).accept == ("alpha_straight",)
    for name in ("truncated", "non_finite", "no-such-rule"):
        with pytest.raises(ValueError, match=f"{name}.*cannot be accepted; these rules can: .*alpha_straight"):
            Source(accept=(name,))

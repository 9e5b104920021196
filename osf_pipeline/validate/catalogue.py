"""Names of all rules, in the groups that people ask about: are the files whole, are the pixels sane, is motion right?

Belongs here: names only, so that asset checks and settings can be made from them without reading data or importing
arrays. What each rule means is in `docs/validation.md`. Tests compare this list with the rules that the code really
uses, with that page, and with the fixtures that must fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["files", "pixels", "motion"]

GROUPS: dict[Group, str] = {
    "files": "Every expected frame is there, whole, and has the channels and size of the others.",
    "pixels": "Values are finite and mean what their buffer says.",
    "motion": "Stored motion reprojects each frame onto its neighbour.",
}


@dataclass(frozen=True)
class Rule:
    """A rule's place.

    Attributes:
        judges: its errors are a judgement of values that can be read all the same, so a person may overrule them
            (`accept` in shot.yaml). Others leave nothing to go on with.
    """

    group: Group
    judges: bool = False


def _rules(group: Group, names: str, judges: bool = False) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), Rule(group, judges))


RULES: dict[str, Rule] = {
    **_rules("files", "gap extra duplicate replaced header truncated chunk deep pixels decode"),
    **_rules("files", "missing_channel channel_change subsampled size_change window mapping cryptomatte"),
    **_rules("files", "stale mixed_render lossy half_depth color_space"),
    **_rules("files", "frame_number", judges=True),
    **_rules("pixels", "non_finite half_overflow id_range unset_ids normal_length empty"),
    **_rules("pixels", "alpha_range alpha_empty alpha_straight alpha_premultiplied color_encoded", judges=True),
    **_rules("pixels", "color_shift depth_sign depth_radial id_mixed repeated", judges=True),
    **_rules("pixels", "normal_space normal_flip normal_encoded", judges=True),
    **_rules("motion", "motion", judges=True),
}
"""Every rule by name."""


def group_of(rule: str) -> Group:
    """The group of a rule. A rule of somebody else's adapter concerns the files."""
    return RULES[rule].group if rule in RULES else "files"

"""Names of all rules, in the groups that people ask about: are the files whole, are the pixels sane, is motion right?

Belongs here: names only, so that asset checks can be made from them without reading data or importing arrays. A test
compares this list with the rules that the code really uses.
"""

from __future__ import annotations

from typing import Literal

Group = Literal["files", "pixels", "motion"]

GROUPS: dict[Group, str] = {
    "files": "Every expected frame is there, whole, and has the channels and size of the others.",
    "pixels": "Values are finite and mean what their buffer says.",
    "motion": "Stored motion reprojects each frame onto its neighbour.",
}
PIXELS = ("alpha_range", "depth_sign", "empty", "id_range", "non_finite", "normal_space", "unset_ids")


def group_of(rule: str) -> Group:
    """The group of a rule. Whatever concerns neither pixels nor motion concerns the files."""
    if rule == "motion":
        return "motion"
    return "pixels" if rule in PIXELS else "files"

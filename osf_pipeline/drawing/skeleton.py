"""The joints of a drawn figure, as a tree of named points on the picture, and the `char_cfg.yaml` that holds them.

Belongs here: the tree, its file and its checks. Does not: finding joints (`estimate`, `annotate`) or bones and parts
made from them (`osf_pipeline.character`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Joint:
    """One joint.

    Attributes:
        name: as in the file: `root`, `torso`, `neck`, `right_elbow`; right is the figure's own right.
        x, y: place on the picture in pixels; integers are pixel centres, y down.
        parent: name of the parent joint; None for the root.
    """

    name: str
    x: float
    y: float
    parent: str | None


@dataclass(frozen=True)
class Skeleton:
    """A tree of joints; parents come before their children, the root first."""

    joints: tuple[Joint, ...]

    def __getitem__(self, name: str) -> Joint:
        return next(joint for joint in self.joints if joint.name == name)

    def children(self, name: str) -> tuple[Joint, ...]:
        """Joints that hang on `name`, in file order."""
        return tuple(joint for joint in self.joints if joint.parent == name)

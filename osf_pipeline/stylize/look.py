"""What an artist turns after training: how strong the style is, how the line is drawn, what is done to the layers last.

A look never touches a model. It lives in a preset (`root/presets/<name>.yaml`) or in `shot.yaml` under `looks`, and is
part of a stylized version's identity.

Belongs here: the keys, their meaning, which look an object has. Does not: pixels (`line`, `post`), models (`stage`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from osf_pipeline.config import ShotConfig, Strict, load_yaml
from osf_pipeline.errors import RequestError
from osf_pipeline.layout import Layout

EVERYTHING = "*"
Row = tuple[float, float, float, float]
Unit = Annotated[float, Field(ge=0, le=1)]
Emphasis = Annotated[float, Field(ge=0, le=1.5)]


class Line(Strict):
    """How the line is drawn.

    Attributes:
        draw: off leaves the line out.
        width: factor on the stroke as it was learnt. A stroke reaches at most 32 px from its contour.
        lock: `screen` keeps the stroke's pixels whatever the size of the figure; `character` lets it grow and shrink
            with the figure, measured against the keyframe.
        taper: how far it thins and pales where the surfaces it parts close up in depth; at 0 it is as bold everywhere.
        color: ink as an sRGB hex triplet instead of the learnt inks.
        threshold: the line alpha that comes out half covered; above 0.5 faint strokes go first, below they gain.
        crispness: slope of the stroke's edge against the learnt one; large values give a hard edge.
    """

    draw: bool = True
    width: float = Field(1, ge=0.1, le=8)
    lock: Literal["screen", "character"] = "screen"
    taper: Unit = 1
    color: str | None = Field(None, pattern=r"^#[0-9a-fA-F]{6}$")
    threshold: float = Field(0.5, gt=0, lt=1)
    crispness: float = Field(1, ge=0.1, le=32)


class PartLook(Strict):
    """What one part does otherwise; keys that are left out are as in the look it belongs to."""

    strength: Unit = 1
    occlusion: Emphasis = 1
    line: Line = Line()


class Sharpen(Strict):
    """Edge enhancement: unsharp mask of the fill's lightness and of the line's alpha.

    Attributes:
        amount: share of the detail that is added once more.
        radius: standard deviation in pixels of what counts as detail.
    """

    step: Literal["sharpen"]
    amount: float = Field(0.5, gt=0, le=4)
    radius: float = Field(1.5, ge=0.5, le=8)


class Match(Strict):
    """Colour match.

    Attributes:
        to: `exemplar` gives the fill the colours the drawings have where the keyframes have theirs; `fill` gives the
            ink the hue of the fill below it, at its own luminance.
        amount: 0 none, 1 all of it.
        matrix: rows of red, green and blue from premultiplied scene-linear RGBA, for `exemplar`; measured from the
            style's exemplars when absent.
    """

    step: Literal["match"]
    to: Literal["exemplar", "fill"] = "exemplar"
    amount: Unit = 1
    matrix: tuple[Row, Row, Row] | None = None


class Smooth(Strict):
    """Edge-preserving smoothing of the fill: a bilateral filter within its coverage.

    Attributes:
        radius: pixels; the work grows with its square.
        tolerance: lightness steps (0 black, 1 white) well above this one stay.
    """

    step: Literal["smooth"]
    radius: int = Field(3, ge=1, le=6)
    tolerance: float = Field(0.1, gt=0, le=1)


Step = Annotated[Sharpen | Match | Smooth, Field(discriminator="step")]


class Look(Strict):
    """A preset. All that is left out is as learnt: the empty file changes nothing.

    Attributes:
        strength: 0 the render untouched, 1 the style; in between both layers are mixed with the render.
        occlusion: strength of inner contours, where one part hides another, against silhouettes.
        line: of the whole figure.
        parts: part name or id to what it does otherwise; a line belongs to the part that owns its contour.
        post: steps on the finished layers, in this order.
    """

    strength: Unit = 1
    occlusion: Emphasis = 1
    line: Line = Line()
    parts: dict[int | str, PartLook] = Field({})
    post: tuple[Step, ...] = ()

    @property
    def plain(self) -> bool:
        """Nothing is turned."""
        return self == Look()

    @property
    def locked(self) -> bool:
        """Some line is locked to the character, so the figure's size must be measured."""
        return "character" in (self.line.lock, *(self.part(part).line.lock for part in self.parts))

    @property
    def reads(self) -> tuple[str, ...]:
        """Buffers needed beside those of every model."""
        return (*(("part_id",) if self.parts or self.locked else ()), *(("rest_position",) if self.locked else ()))

    def part(self, part: int | str) -> PartLook:
        """What holds for one part: its own keys, and those of the whole for all it leaves out."""
        own = self.parts.get(part, PartLook())
        whole = {name: getattr(self, name) for name in ("strength", "occlusion")}
        turned = {name: getattr(own, name) for name in own.model_fields_set - {"line"}}
        line = self.line.model_copy(update={name: getattr(own.line, name) for name in own.line.model_fields_set})
        return PartLook(**{**whole, **turned, "line": line})

    def values(self, read: Callable[[PartLook], float], part: np.ndarray | None) -> np.ndarray:
        """(y, x) float32 of one key for every pixel; (1, 1) where no part does anything otherwise.

        Args:
            read: the key, from what holds for one part.
            part: (y, x) part ids; may be None without `parts`.
        """
        whole = read(self.part(0))
        if not self.parts:
            return np.full((1, 1), whole, np.float32)
        assert part is not None
        table = np.full(max(int(part.max(initial=0)), *map(int, self.parts)) + 1, whole, np.float32)
        for key in self.parts:
            table[int(key)] = read(self.part(key))
        return table[part]

    def bound(self, names: Mapping[int, str], matrix: Callable[[], tuple[Row, Row, Row]]) -> Look:
        """The same look with part ids for names, and with the exemplars' colours measured.

        Args:
            names: part id to name, of the shot.
            matrix: measures `Match.matrix`; called where a step needs it.

        Raises:
            RequestError: for a part the shot does not name.
        """
        known = ", ".join(names.values()) or "none named; use ids, or name them under `parts` in shot.yaml"
        ids = {name: part for part, name in names.items()} | {str(part): part for part in names}
        parts = {}
        for key, part in self.parts.items():
            found = ids.get(str(key), int(key) if not names and str(key).isdigit() else 0)
            if not found:
                raise RequestError(
                    "the look names a part that the shot does not have", part=key,
                    fix=f"Parts of the shot: {known}.",
                )  # fmt: skip
            parts[found] = part
        post = tuple(
            step.model_copy(update={"matrix": matrix()})
            if isinstance(step, Match) and step.to == "exemplar" and step.matrix is None
            else step
            for step in self.post
        )
        return self.model_copy(update={"parts": parts, "post": post})

    def to_json(self) -> dict[str, Any]:
        """Only what is turned; `Look.model_validate` reads it back."""
        return self.model_dump(mode="json", exclude_unset=True)


def read_preset(layout: Layout, name: str) -> Look:
    """
    Raises:
        RequestError: for an unknown preset or a bad file.
    """
    if name not in layout.presets():
        raise RequestError(
            "unknown preset", preset=name, file=layout.preset(name),
            fix=f"Presets found: {', '.join(layout.presets()) or 'none'}.",
        )  # fmt: skip
    return load_yaml(layout.preset(name), Look)


def look_of(layout: Layout, config: ShotConfig, object_id: int | str, style: str) -> Look:
    """The look of one object: its own, else its style's, else that of everything, else nothing turned.

    Raises:
        RequestError: for an unknown preset, or a look with unknown or ill-typed keys.
    """
    name = config.objects.get(object_id, str(object_id)) if isinstance(object_id, int) else object_id
    for key in (name, str(object_id), style, EVERYTHING):
        if key not in config.looks:
            continue
        said = config.looks[key]
        if isinstance(said, str):
            return read_preset(layout, said)
        try:
            return Look.model_validate(said)
        except ValidationError as error:
            first = error.errors()[0]
            raise RequestError(
                first["msg"], key=".".join(("looks", key, *map(str, first["loc"]))), value=repr(first["input"])[:80],
                fix=f"Known keys: {', '.join(sorted(Look.model_fields))}.",
            ) from error  # fmt: skip
    return Look()

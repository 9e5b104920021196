"""What every stage returns: enough for a CLI line, an asset's metadata and a review page.

Does not belong here: pixel data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from osf_pipeline.shots import FrameRange

if TYPE_CHECKING:
    from osf_pipeline.store.build import Build
    from osf_pipeline.store.version import Version


@dataclass(frozen=True)
class StageResult:
    """One finished stage of one shot.

    Attributes:
        kind: `gbuffer`, `guidance`, `stylized`, `delivery`, `evaluation`, `review` or `crossover`.
        id: identity of the version.
        url: where it lies.
        reused: True when nothing had to be done.
        frames: frames in it.
        seconds: wall time of this call.
        metadata: numbers, short strings and small tables (list of flat dicts).
        preview_png: a small picture, where the stage makes one.
        quarantined: frames that were left out because their source is bad.
        held: frames that show a neighbour's picture because their source is bad.
    """

    shot: str
    kind: str
    id: str
    url: str
    reused: bool
    frames: int
    seconds: float
    metadata: dict[str, Any] = field(default_factory=dict)
    preview_png: bytes | None = None
    quarantined: tuple[int, ...] = ()
    held: tuple[int, ...] = ()

    @classmethod
    def of(
        cls, shot: str, version: Version, built: Build | None, seconds: float, metadata: dict[str, Any]
    ) -> StageResult:
        """The result of a stage that makes a store; `built` is None when the version was there before the call."""
        work = {} if built is None else {"shards": f"{built.computed} computed, {built.shards - built.computed} reused"}
        bad = {name: FrameRange.of(frames) for name in ("quarantined", "held") if (frames := getattr(version, name))}
        return cls(
            shot, version.kind, version.id, version.url, built is None or not built.won, len(version.frames), seconds,
            {**metadata, **work, **{name: str(frames) for name, frames in bad.items()}},
            version.preview, version.quarantined, version.held,
        )  # fmt: skip


@dataclass(frozen=True)
class BuiltCharacter:
    """One character, made from its drawing.

    Attributes:
        id: identity of the version.
        url: its folder.
        style: folder of the style it gives.
        reused: True when nothing had to be done.
        metadata: numbers, short strings and findings.
        preview_png: a small picture.
    """

    character: str
    id: str
    url: str
    style: str
    reused: bool
    seconds: float
    metadata: dict[str, Any] = field(default_factory=dict)
    preview_png: bytes | None = None


@dataclass(frozen=True)
class TrainedStyle:
    """One trained and registered style model.

    Attributes:
        model: registered name, `osf-stylizer-<style>`.
        version: registered version.
        url: local folder with weights.safetensors and card.json.
        metrics: what the promotion gate saw.
        card: the model card.
    """

    style: str
    model: str
    version: int
    url: str
    reused: bool
    seconds: float
    metrics: dict[str, float]
    card: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    preview_png: bytes | None = None

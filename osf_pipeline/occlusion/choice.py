"""How one shot's occlusion is made: its configuration, what the store knows, and the registry, resolved once.

Belongs here: the choice among the modes, and what of it decides the result. Does not: the guides (`guidance`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from osf_pipeline.config import Occlusion
from osf_pipeline.errors import InputDataError
from osf_pipeline.occlusion.names import AUTO, FULL, MAPS

if TYPE_CHECKING:
    from osf_pipeline.occlusion.maps import MapFile
    from osf_pipeline.tracking.tracker import ModelRef


@dataclass(frozen=True)
class Choice:
    """A resolved choice.

    Attributes:
        config: as the shot asks for it.
        estimator: name of the estimator, with its version; None where geometry, motion or maps decide.
        model: of the estimator.
        maps: guide to the file of each frame that needs one.
    """

    config: Occlusion
    estimator: tuple[str, int] | None = None
    model: ModelRef | None = None
    maps: Mapping[str, Mapping[int, MapFile]] = field(default_factory=dict)

    @property
    def recipe(self) -> dict[str, Any]:
        """What decides the result, files and weights aside; empty where the buffers alone do."""
        if self.estimator is not None:
            return {"occlusion": list(self.estimator)}
        if self.maps:
            how = self.config.model_dump(mode="json", include={"channel", "values"})
            return {"occlusion": how | {"maps": sorted(self.maps)}}
        return {}

    @property
    def weights(self) -> list[str]:
        """sha256 of the network."""
        return [self.model.sha256] if self.model else []

    @property
    def decisive(self) -> list[Any]:
        """Recipe and weights, where there are any: part of every frame's key."""
        return [self.recipe, *self.weights] if self.recipe else []

    def hashes(self, frame: int) -> list[str | None]:
        """sha256 of a frame's maps."""
        files = (files.get(frame) for _, files in sorted(self.maps.items()))
        return [file.sha256 if file else None for file in files]

    def urls(self, frames: Collection[int]) -> dict[str, list[str | None]]:
        """Guide to the map of each frame."""
        return {
            name: [files[frame].url if frame in files else None for frame in frames]
            for name, files in self.maps.items()
        }

    def to_json(self) -> dict[str, Any]:
        """What a worker needs."""
        return {
            "estimator": self.estimator and self.estimator[0],
            "model": str(self.model.path) if self.model else None,
            "config": self.config.model_dump(mode="json", exclude_unset=True),
        }

    def describe(self) -> dict[str, Any]:
        """For provenance."""
        found: dict[str, Any] = {"mode": self.config.mode}
        if self.model:
            found |= {"model": self.model.name, "version": self.model.version, "sha256": self.model.sha256}
        if self.maps:
            found["maps"] = {name: getattr(self.config, name) for name in self.maps}
        return found


def choose(
    config: Occlusion, home: str, folder: str, *, exact: bool, frames: Sequence[int], starts: Collection[int]
) -> Choice:
    """Resolve what a shot asks for.

    Args:
        home: of the model registry.
        folder: that file patterns are relative to.
        exact: the store holds all that exact occlusion needs: geometry, and the renderer's motion.
        frames: of the shot; `starts` are the positions in it that nothing is compared across.

    Raises:
        RequestError: for an unknown mode, or a model that is not registered.
        InputDataError: when the store cannot give what `full` asks for, or a frame lacks its map.
    """
    if config.mode == AUTO:
        return Choice(config)
    if config.mode == FULL:
        if not exact:
            raise InputDataError(
                "exact occlusion needs motion, depth, normals, rest positions and ids, which this shot lacks",
                mode=config.mode, fix="Render them, or ask for `occlusion: {mode: light}`.",
            )  # fmt: skip
        return Choice(config)
    if config.mode == MAPS:
        from osf_pipeline.occlusion.maps import find_maps

        assert config.revealed is not None
        inner = [at for at in range(1, len(frames)) if at not in starts]
        maps = {"revealed": find_maps(folder, config.revealed, [frames[at] for at in inner])}
        if config.hidden_next is not None:
            maps["hidden_next"] = find_maps(folder, config.hidden_next, [frames[at - 1] for at in inner])
        return Choice(config, maps=maps)
    from osf_pipeline.occlusion.estimators import estimator

    kind = estimator(config.mode)
    model = None
    if kind.model is not None:
        from osf_pipeline.tracking.tracker import Tracker

        model = Tracker.at(home).resolve(kind.model, config.model)
    return Choice(config, (config.mode, kind.version), model)

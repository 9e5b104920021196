"""How the occlusion network is trained. Belongs here: the keys of a training request and their defaults."""

from __future__ import annotations

from pydantic import Field, model_validator

from osf_pipeline.config import Strict


class OcclusionRecipe(Strict):
    """One training; equal recipes on equal sets give equal weights on one CPU type.

    Attributes:
        train: generated sets (`<split>-<seed>`) to learn from.
        calibration: sets that probabilities and thresholds are fitted to.
        validation: sets the result is judged on.
        pairs: pairs of neighbouring frames taken from each sequence, evenly spread; each is learnt from in both
            directions.
        steps: optimiser steps.
        width, blocks: size of the network.
        batch, patch: patches per step and their side in pixels.
        centred: share of patches around a hidden pixel; the others lie anywhere on a figure.
        rate: peak learning rate.
        checkpoint: steps between two checkpoints.
        seed: of the weights and the patches.
        threads: torch threads; fixed because it is part of bit-equality.
    """

    train: tuple[str, ...] = Field(("train-0",), min_length=1)
    calibration: tuple[str, ...] = Field(("val-0",), min_length=1)
    validation: tuple[str, ...] = Field(("val-1",), min_length=1)
    pairs: int = Field(6, ge=1)
    steps: int = Field(12_000, ge=1)
    width: int = Field(12, ge=4, multiple_of=2)
    blocks: int = Field(2, ge=1)
    batch: int = Field(8, ge=1)
    patch: int = Field(64, ge=16, multiple_of=4)
    centred: float = Field(0.6, ge=0, le=1)
    rate: float = Field(3e-3, gt=0)
    checkpoint: int = Field(200, ge=1)
    seed: int = 0
    threads: int = Field(2, ge=1)

    @model_validator(mode="after")
    def _held_out(self) -> OcclusionRecipe:
        if any(name.split("-")[0] != "train" for name in self.train):
            raise ValueError("`train` takes sets of the train split alone: `train-<seed>`")
        if any(name.split("-")[0] == "train" for name in (*self.calibration, *self.validation)):
            raise ValueError(
                "`calibration` and `validation` need sets of another split, whose characters the network has not seen"
            )
        if set(self.calibration) & set(self.validation):
            raise ValueError("what a network is calibrated on cannot judge it: `validation` needs other sets")
        return self

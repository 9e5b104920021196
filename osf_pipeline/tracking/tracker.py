"""Runs and registered models in MLflow.

Belongs here: every call into MLflow. Does not: what a model is (`model`), what is measured (`evaluation`), or when to
train (`training`).

A model is a plain artifact folder with `weights.safetensors` and `card.json`: no pickle, and no stored Python that
would run on load. MLflow is imported inside functions because it takes more than a second. Only its client is used,
never its process-wide state, so two trackers can live in one process.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.occlusion.names import MODEL as OCCLUSION
from osf_pipeline.tracking.gate import Gate

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

WEIGHTS = "weights.safetensors"
WEIGHTS_TAG = "weights_sha256"


def model_name(style: str) -> str:
    """Registered name of a style's model."""
    return f"osf-stylizer-{style}"


@dataclass(frozen=True)
class ModelRef:
    """One exact version of a registered model, ready to load.

    Attributes:
        path: local folder with the weights and the card. Read only: on a local store it is the stored folder itself.
        sha256: of the weights file; part of the identity of everything made with it.
    """

    name: str
    version: int
    path: Path
    sha256: str
    tags: dict[str, str]


@dataclass(frozen=True)
class Run:
    """One open training run."""

    id: str
    client: MlflowClient

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record metrics of one training step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.client.log_batch(self.id, metrics=[Metric(key, float(v), now, step) for key, v in metrics.items()])

    def log_dataset(self, name: str, digest: str, source: str) -> None:
        """Record what was learnt from: its name, its version and where it lies."""
        from mlflow.entities import Dataset, DatasetInput

        self.client.log_inputs(self.id, [DatasetInput(Dataset(name, digest, "local", json.dumps({"uri": source})))])

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Store a file with the run, below `folder`."""
        self.client.log_artifact(self.id, str(path), folder)

    def log_dir(self, path: Path, folder: str | None = None) -> None:
        """Store the content of a folder with the run, below `folder`."""
        self.client.log_artifacts(self.id, str(path), folder)


class Tracker:
    """Training runs and the model registry of one project. Open it with `Tracker.at`."""

    def __init__(self, client: MlflowClient, uri: str, artifacts: Path) -> None:
        self._client, self.uri, self._artifacts = client, uri, artifacts

    @classmethod
    def at(cls, home: str, uri: str | None = None) -> Tracker:
        """Open, and on first use create, the tracking store.

        Args:
            home: local folder for the SQLite database `mlflow.db` and the artifacts `mlartifacts/`.
            uri: another store, e.g. a tracking server with its own artifacts; else MLFLOW_TRACKING_URI, else `home`.
        """
        from mlflow import MlflowClient

        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # no log lines about creating tables
        folder = Path(home).resolve()
        uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"
        folder.mkdir(parents=True, exist_ok=True)
        # Creating the schema is not safe between processes: all but one fail with a duplicate column.
        with FileLock(folder / "mlflow.lock") if uri.startswith("sqlite:") else nullcontext():
            client = MlflowClient(uri, uri)
            client.search_experiments(max_results=1)
        return cls(client, uri, folder / "mlartifacts")

    @contextmanager
    def run(self, experiment: str, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[Run]:
        """Open a run. It ends as finished, as failed when the body raises, or as killed when it is interrupted.

        Args:
            experiment: created when new.
            params: everything that decided the result; values are written as text.
        """
        from mlflow.entities import Param

        run_id = self._client.create_run(self._experiment(experiment), tags=dict(tags), run_name=name).info.run_id
        status = "FAILED"
        try:
            self._client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
            yield Run(run_id, self._client)
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit):
            status = "KILLED"
            raise
        finally:
            self._client.set_terminated(run_id, status)

    def register(
        self, model: str, folder: Path, run_id: str, tags: Mapping[str, str] | None = None, description: str = ""
    ) -> int:
        """Store a model folder with its run and register it as the next version of `model`.

        Raises:
            RequestError: when the folder has no `weights.safetensors`.
        """
        from mlflow.exceptions import MlflowException

        weights = Path(folder) / WEIGHTS
        if not weights.is_file():
            raise RequestError("a model folder has no weights", file=str(weights), fix="Save the model there first.")
        self._client.log_artifacts(run_id, str(folder), "model")
        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self._client.create_model_version(
            model,
            source=f"{self._client.get_run(run_id).info.artifact_uri}/model",
            run_id=run_id,
            tags={**(tags or {}), WEIGHTS_TAG: _sha256(weights)},
            description=description,
        )
        return int(version.version)

    def find(self, model: str, key: str, value: str) -> int | None:
        """The newest version of `model` whose tag `key` is `value`: an equal training, to reuse."""
        matches = [int(v.version) for v in self._versions(model) if v.tags.get(key) == value]
        return max(matches, default=None)

    def run_of(self, model: str, version: int) -> Run:
        """The run a version came from, to record what is measured of it later.

        Raises:
            RequestError: for an unknown model or version.
        """
        return Run(self._version(model, str(version)).run_id, self._client)

    def aliases(self, model: str) -> dict[str, int]:
        """Alias to version; empty for a model that is not registered."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_registered_model(model).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: int(version) for alias, version in found.items()}

    def set_alias(self, model: str, version: int, alias: str) -> None:
        """Point an alias at a version, asking no gate: `candidate` after training, or a rollback by hand.

        Raises:
            RequestError: for an unknown model or version.
        """
        self._version(model, str(version))
        self._client.set_registered_model_alias(model, alias, str(version))

    def promote(self, model: str, version: int, alias: str, gate: Gate, metrics: Mapping[str, float]) -> dict[str, Any]:
        """Point an alias at a version if its metrics pass the gate; passed or refused, the version keeps a record.

        Returns:
            The record, also stored as the version's tag `gate.<alias>`.

        Raises:
            RequestError: naming every bound that is not met, or an unknown model or version.
        """
        self._version(model, str(version))
        failures = gate.failures(metrics)
        record = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "passed": not failures,
            "failures": failures,
            "metrics": {key: float(value) for key, value in sorted(metrics.items())},
            "replaced": self.aliases(model).get(alias),
        }
        self._client.set_model_version_tag(model, str(version), f"gate.{alias}", json.dumps(record))
        if failures:
            raise RequestError(
                f"the promotion to {alias!r} was refused: {'; '.join(failures)}", model=model, version=version,
                fix="Improve the style's exemplars or recipe, or set the alias by hand if the result convinces you.",
            )  # fmt: skip
        self._client.set_registered_model_alias(model, alias, str(version))
        return record

    def resolve(self, model: str, alias_or_version: str | int) -> ModelRef:
        """The exact version behind an alias or a number, with its files on this machine.

        Call it once per run, in the driver; workers get `path`, so an alias that moves cannot split a run.

        Raises:
            RequestError: for an unknown model, alias or version; names the known ones.
            InputDataError: when the stored weights are not those that were registered.
        """
        from mlflow.artifacts import download_artifacts

        found = self._version(model, str(alias_or_version))
        source = self._client.get_model_version_download_uri(model, found.version)
        path = Path(download_artifacts(artifact_uri=source, tracking_uri=self.uri))
        weights = path / WEIGHTS
        if not weights.is_file() or _sha256(weights) != found.tags.get(WEIGHTS_TAG):
            raise InputDataError(
                "the stored weights are not those that were registered", model=model, version=found.version,
                file=str(weights), fix="Restore the file, or train and register the style again.",
            )  # fmt: skip
        return ModelRef(model, int(found.version), path, found.tags[WEIGHTS_TAG], dict(found.tags))

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        # A tracking server chooses where artifacts lie; a database does not.
        location = (self._artifacts / name).as_uri() if self.uri.startswith("sqlite:") else None
        with FileLock(self._artifacts.with_name("mlflow.lock")):
            found = self._client.get_experiment_by_name(name)
            return found.experiment_id if found else self._client.create_experiment(name, location)

    def _versions(self, model: str) -> list[ModelVersion]:
        return list(self._client.search_model_versions(f"name = '{model}'"))

    def _version(self, model: str, alias_or_version: str) -> ModelVersion:
        versions = {str(v.version): v for v in self._versions(model)}
        if not versions:
            known = ", ".join(sorted(m.name for m in self._client.search_registered_models())) or "none"
            raise RequestError(
                "no such registered model", model=model, fix=f"{_first(model)} Registered models: {known}."
            )
        aliases = self.aliases(model)
        found = versions.get(str(aliases.get(alias_or_version, alias_or_version)))
        if found is None:
            known = ", ".join([*sorted(aliases), *sorted(versions, key=int)])
            raise RequestError(
                "no such alias or version", model=model, alias=alias_or_version, fix=f"Aliases and versions: {known}."
            )
        return found


def _first(model: str) -> str:
    """What makes a model that is not registered."""
    style = model.removeprefix(model_name(""))
    if style != model:
        return f"Train the style first: `osf train {style}`."
    return "Run `osf train-occlusion` first." if model == OCCLUSION else "Register it first."


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""A virtual cell: hold genes of a cell at chosen levels and follow its predicted path through expression space."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "load": "files", "prepare": "cells", "split": "cells",
    "toy_atlas": "toy", "toy_truth": "toy", "toy_screen": "toy",
    "Config": "model", "MaskedAutoencoder": "model", "load_model": "model",
    "fit": "training", "History": "training",
    "evaluate": "evaluation", "Report": "evaluation", "impute": "evaluation", "embed": "map", "CellMap": "map",
    "associate": "association", "Association": "association", "gene_sets": "priors", "regulators": "priors",
    "perturb": "perturbation", "trajectory": "perturbation", "Trajectory": "perturbation",
    "screen": "scans", "Screen": "scans", "write_screen": "scans",
    "direction": "scans", "Direction": "scans", "drivers": "scans", "Drivers": "scans",
    "load_screen": "screen", "effects": "screen", "Effects": "screen",
    "score": "scoring", "benchmark": "scoring", "Scorecard": "scoring",
    "fit_response": "response", "ResponseModel": "response", "load_response": "response",
    "explore": "explorer", "Explorer": "explorer", "ExplorerState": "explorer",
}  # fmt: skip

if TYPE_CHECKING:
    from .association import Association, associate
    from .cells import prepare, split
    from .evaluation import Report, evaluate, impute
    from .explorer import Explorer, ExplorerState, explore
    from .files import load
    from .map import CellMap, embed
    from .model import Config, MaskedAutoencoder, load_model
    from .perturbation import Trajectory, perturb, trajectory
    from .priors import gene_sets, regulators
    from .response import ResponseModel, fit_response, load_response
    from .scans import Direction, Drivers, Screen, direction, drivers, screen, write_screen
    from .scoring import Scorecard, benchmark, score
    from .screen import Effects, effects, load_screen
    from .toy import toy_atlas, toy_screen, toy_truth
    from .training import History, fit

__all__ = [
    "load", "prepare", "split", "toy_atlas", "toy_truth", "toy_screen",
    "Config", "MaskedAutoencoder", "load_model", "fit", "History",
    "evaluate", "Report", "impute", "embed", "CellMap",
    "perturb", "trajectory", "Trajectory",
    "screen", "Screen", "write_screen", "direction", "Direction", "drivers", "Drivers",
    "associate", "Association", "gene_sets", "regulators",
    "load_screen", "effects", "Effects", "score", "benchmark", "Scorecard",
    "fit_response", "ResponseModel", "load_response",
    "explore", "Explorer", "ExplorerState",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # torch and scanpy take seconds to import: `vcell --help` should not wait for them
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

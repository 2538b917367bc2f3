"""A virtual cell: hold genes of a cell at chosen levels and follow its predicted path through expression space."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "load": "data", "prepare": "data", "split": "data",
    "toy_atlas": "toy", "toy_truth": "toy", "toy_screen": "toy",
    "Config": "model", "MaskedAutoencoder": "model", "load_model": "model",
    "fit": "training", "History": "training",
    "evaluate": "evaluation", "Report": "evaluation", "impute": "evaluation", "embed": "evaluation", "CellMap": "evaluation",
    "associate": "association", "Association": "association", "gene_sets": "association", "regulators": "association",
    "perturb": "perturbation", "trajectory": "perturbation", "Trajectory": "perturbation",
    "screen": "screens", "Screen": "screens", "write_screen": "screens",
    "direction": "screens", "Direction": "screens", "drivers": "screens", "Drivers": "screens",
    "load_screen": "measured", "effects": "measured", "Effects": "measured",
    "score": "scoring", "benchmark": "scoring", "Scorecard": "scoring",
    "fit_response": "response", "ResponseModel": "response", "load_response": "response",
    "explore": "explorer", "Explorer": "explorer", "ExplorerState": "explorer",
}  # fmt: skip

if TYPE_CHECKING:
    from .association import Association, associate, gene_sets, regulators
    from .data import load, prepare, split
    from .evaluation import CellMap, Report, embed, evaluate, impute
    from .explorer import Explorer, ExplorerState, explore
    from .measured import Effects, effects, load_screen
    from .model import Config, MaskedAutoencoder, load_model
    from .perturbation import Trajectory, perturb, trajectory
    from .response import ResponseModel, fit_response, load_response
    from .scoring import Scorecard, benchmark, score
    from .screens import Direction, Drivers, Screen, direction, drivers, screen, write_screen
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

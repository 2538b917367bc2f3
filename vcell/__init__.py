"""A virtual cell: hold genes of a cell at chosen levels and follow its predicted path through expression space."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "load": "files", "look": "files", "prepare": "cells", "split": "cells",
    "Config": "model", "MaskedAutoencoder": "model", "load_model": "model", "fit": "training",
    "evaluate": "evaluation", "Report": "evaluation", "impute": "evaluation", "embed": "map", "CellMap": "map",
    "associate": "association", "Association": "association", "Network": "perturbation",
    "perturb": "perturbation", "trajectory": "perturbation", "Trajectory": "perturbation",
    "scan": "scans", "Scan": "scans", "knowledge": "priors",
    "load_screen": "screen", "effects": "screen", "effects_from_table": "screen", "benchmark": "scoring",
    "fit_response": "response", "fit_calls": "response", "Response": "response", "explore": "explorer",
    "draw_counts": "response", "ScreenModel": "response", "challenge": "field", "dynamic_range": "field",
}  # fmt: skip

if TYPE_CHECKING:
    from .association import Association, associate
    from .cells import prepare, split
    from .evaluation import Report, evaluate, impute
    from .explorer import explore
    from .field import challenge, dynamic_range
    from .files import load, look
    from .map import CellMap, embed
    from .model import Config, MaskedAutoencoder, load_model
    from .perturbation import Network, Trajectory, perturb, trajectory
    from .priors import knowledge
    from .response import Response, ScreenModel, draw_counts, fit_calls, fit_response
    from .scans import Scan, scan
    from .scoring import benchmark
    from .screen import effects, effects_from_table, load_screen
    from .training import fit

__all__ = [
    "load", "look", "prepare", "split",
    "Config", "MaskedAutoencoder", "fit", "load_model",
    "evaluate", "Report", "impute", "embed", "CellMap",
    "associate", "Association", "Network", "perturb", "trajectory", "Trajectory", "scan", "Scan",
    "knowledge", "load_screen", "effects", "effects_from_table", "fit_response", "fit_calls", "Response", "benchmark",
    "draw_counts", "ScreenModel", "challenge", "dynamic_range", "explore",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # torch and scanpy take seconds to import: `vcell --help` should not wait for them
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

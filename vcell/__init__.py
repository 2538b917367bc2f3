"""A virtual cell: hold genes of a cell at chosen levels and follow its predicted path through expression space."""

__version__ = "0.1.0"

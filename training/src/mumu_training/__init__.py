"""Training side of mumu: data, stages, recipes and the reference side of the parity tests."""

__version__ = "0.1.0"

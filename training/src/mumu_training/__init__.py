"""Training side of mumu: data, stages, recipes and the reference side of the parity tests."""

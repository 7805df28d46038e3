"""Stage 0: the base models of the mini checkpoint, each a job of its own."""

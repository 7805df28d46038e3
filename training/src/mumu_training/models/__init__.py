"""Model definitions: what transformers lacks, named as in the published checkpoints."""

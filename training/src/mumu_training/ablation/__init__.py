"""The papers' ablation of the audio adapter (MuMu-LLaMA, Table 4) on cached features."""

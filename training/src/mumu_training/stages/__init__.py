"""Stages 1 to 3 of the paper, the feature cache they read, and the export."""

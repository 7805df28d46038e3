"""Generated training data: music rendered from scores, drawn scenes, conversations about both."""

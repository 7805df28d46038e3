"""Evaluation of a pack through mumu itself: questions and requests go to a running server over HTTP."""

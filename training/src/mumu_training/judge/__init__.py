"""A small tagger of music, trained apart from every pack, that judges what packs generate."""

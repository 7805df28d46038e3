"""The generation side: a neural audio codec, a text encoder and a music decoder, from scratch."""

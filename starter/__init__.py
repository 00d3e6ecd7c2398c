"""The built-in world: a village, a corpus about it, a tiny language model, and a judge that knows every fact."""

"""How far scenes are from what a model was trained on, and what accuracy to expect there."""

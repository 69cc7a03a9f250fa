"""Training samples: windows of scenes with labels."""

"""What domain shift costs, what adaptation gives back, and how often it harms: python -m benchmarks.shift --help."""

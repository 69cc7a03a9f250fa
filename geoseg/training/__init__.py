"""The fit loop and what it minimises."""

"""Settings: from YAML or the command line to frozen, checked values. Only the top layers know them."""

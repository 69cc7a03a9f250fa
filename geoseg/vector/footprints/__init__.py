"""Outlines of buildings with right angles, fitted to probabilities."""

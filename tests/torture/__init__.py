"""Hostile input of every kind, each case with the verdict it is to get."""

"""Train a network on labelled imagery: datasets, chips, losses, the loop, recipes."""

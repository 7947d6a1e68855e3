"""How good a model is: metrics, robot users, reports."""

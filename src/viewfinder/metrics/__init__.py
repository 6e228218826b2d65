"""How good predictions are: plain numbers from truth and predictions, without torch."""

"""Several processes for one command, as torchrun starts them."""

"""What an evaluation leaves: Results, and what there is to look at."""

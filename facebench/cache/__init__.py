"""What facebench keeps and can make again: features, weights, downloads."""

"""What desk and console share: local pages, their safety and words, plots and the map."""

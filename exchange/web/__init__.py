"""What the local pages share: pages, safety headers, plots and the map."""

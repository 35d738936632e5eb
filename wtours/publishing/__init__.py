"""What goes out with videos and pictures: attribution, a dataset card, Croissant metadata."""

"""What a backbone sees: overlays and object-mask videos."""

"""What a backbone is worth: one benchmark a file."""

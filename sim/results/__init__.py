"""What came out: events, measures, effects, and the folder that keeps them."""

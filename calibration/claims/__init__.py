"""What the two papers claim, beside what data and model give."""

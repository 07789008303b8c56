"""What happens: the rules, and what applies them to columns of places and technologies, month by month."""

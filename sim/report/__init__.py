"""Pictures and pages for those who decide."""

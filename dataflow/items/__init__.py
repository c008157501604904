"""What moves between the stages."""

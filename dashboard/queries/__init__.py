"""What requests ask of a moment of the store. All functions are plain; threads call them."""

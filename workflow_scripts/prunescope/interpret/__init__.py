"""What excites each unit, and how well that can be told."""

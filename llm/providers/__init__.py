"""What stands behind the door: one file per way of reaching a model."""

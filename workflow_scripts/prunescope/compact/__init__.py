"""Networks rebuilt without what was pruned: smaller, the same outputs, and what that saves."""

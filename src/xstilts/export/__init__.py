"""Out into the world: finished models as folders of other libraries, and their predictions for a user's file."""

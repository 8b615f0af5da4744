"""Official data sets: the manifest of their files, checking them and fetching them."""

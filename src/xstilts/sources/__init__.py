"""Where data sets come from, and whether what is there is whole: the manifest, the check, the fetching."""

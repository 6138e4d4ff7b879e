"""Where folders are kept whole: on a disk or behind a URI; with the cache of a sweep."""

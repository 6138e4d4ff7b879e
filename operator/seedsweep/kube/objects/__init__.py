"""What a sweep owns: names, paths and places."""

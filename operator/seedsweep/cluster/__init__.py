"""What people run against a cluster: watch, wait and fetch. It only uses the rights of whoever runs it."""

"""`seedsweep plan`: how many seeds, and when to cut?"""

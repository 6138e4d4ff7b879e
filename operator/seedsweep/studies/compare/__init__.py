"""`seedsweep compare`: is a change better than what seeds do by themselves?"""

"""`seedsweep seeds`: are some weight initialisations good on several tasks?"""

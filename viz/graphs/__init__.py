"""Pictures of recorded graphs: which question does each answer?"""

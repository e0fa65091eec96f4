"""DecisionTransformer: slates from what came before and the return that is wanted."""

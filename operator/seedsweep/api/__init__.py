"""The resources as types: parsed once at the edge, the source of the CRDs, the language of the engine."""

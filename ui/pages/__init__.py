"""One page a tab: ``build(context)`` lays out its components and wires thin callbacks."""

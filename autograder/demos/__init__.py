"""What happens behind the scenes, measured on this machine at this moment and drawn: ``autograder demo NAME``.

A demonstration is a module with a function that measures and gives plain data, and a pure one that draws it. They are our
own code and run without the sandbox; whatever they start, they end, on every way out. What their processes run is in
`children`, which imports little, so that a spawned one is there soon.
"""
